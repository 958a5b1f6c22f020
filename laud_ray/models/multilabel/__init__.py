"""Models of multilabel tasks: what they train towards, their heads, and how they are calibrated."""
