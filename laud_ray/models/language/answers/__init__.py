"""What a language model answers with: codes or the words of the labels, and which of both a model does better."""
