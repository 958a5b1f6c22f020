"""Ask the oracle about documents, ask again where an answer is doubtful, and know what was answered."""
