"""Parse the completions of a language model: a label, an abstention, or nothing where they are ambiguous."""
