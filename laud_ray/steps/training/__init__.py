"""Train a round's model on annotations and feedback."""
