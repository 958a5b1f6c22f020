"""Read users' data files of any format, clean their texts, and turn them into a corpus of ranges."""
