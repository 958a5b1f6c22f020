"""The inputs of a relabel: the catalog's files, columns and ranges, and the labels of an earlier output."""
