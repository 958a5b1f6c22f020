"""A small distilled model (the student) that answers where it is verified to agree with the full one (its teacher)."""
