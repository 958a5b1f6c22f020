"""What a relabel reads: the catalog's files and columns, its ranges, and the labels of an earlier output."""
