"""The evaluation sample: draw it, measure models on it, enlarge it, ask a trusted oracle."""
