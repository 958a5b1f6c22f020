"""The files of a user, as they come: found out, read in a stream, and said where they cannot be."""
