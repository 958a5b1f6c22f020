"""What the completions of a language model mean: a label, an abstention, or nothing certain."""
