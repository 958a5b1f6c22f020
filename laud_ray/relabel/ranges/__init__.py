"""Label one range of a catalog: read its rows, score them, write its files, and commit it with a record."""
