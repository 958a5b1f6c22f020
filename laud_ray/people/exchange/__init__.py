"""Exchange questions by file: write the open ones, read the answers of people, and record them as votes."""
