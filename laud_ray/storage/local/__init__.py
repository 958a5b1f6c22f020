"""Files on a local disk: atomic writes, locks, private scratch folders and spare room."""
