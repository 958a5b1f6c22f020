"""Let a corpus grow: generations of documents, an index of what is known, and the files that were read."""
