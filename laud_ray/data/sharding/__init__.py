"""Normalise a corpus in two steps: partition its rows into buckets by a hash, then sort the buckets into ranges."""
