"""Read a user's file, whatever its format and encoding, and say what is wrong with it."""
