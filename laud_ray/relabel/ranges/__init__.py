"""Label one range of a catalog: its rows, their labels, the files that are written, and the record of them."""
