"""Compare two labelled outputs, and check a sample of a new one before everything is relabelled."""
