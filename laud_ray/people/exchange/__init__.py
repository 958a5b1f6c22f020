"""Questions and answers in files: write what is open, read what people answered, and record it as votes."""
