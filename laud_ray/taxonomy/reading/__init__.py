"""Read a taxonomy from lines, from the columns of a table, or from paths in data. Files are not opened here."""
