"""Train a round's model on what was answered."""
