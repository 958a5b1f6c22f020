"""The evaluation sample: draw it, measure models on it, enlarge it, and ask a trusted oracle about it."""
