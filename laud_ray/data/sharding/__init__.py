"""Normalise a corpus in two halves: partition its rows into buckets by a hash, then order each bucket into ranges."""
