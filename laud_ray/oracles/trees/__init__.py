"""Ask a language model about a taxonomy: which nodes a question lists, and the next question."""
