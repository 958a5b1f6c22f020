"""Evaluate multilabel models: their predicted sets in a pass, figures of these on a sample or a labelled file."""
