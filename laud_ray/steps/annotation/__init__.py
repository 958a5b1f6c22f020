"""Ask oracles about documents, ask again where an answer is doubtful, and read the answers so far."""
