"""What a language model answers with: codes, keywords or the words of the labels, and which a model does best."""
