"""Files on a local disk or an object store: read, write atomically, list, retry."""
