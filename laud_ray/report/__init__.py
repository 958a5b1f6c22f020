"""What people read: a run (`run`), and what evaluate, relabel and diff found, in the terminal and as JSON."""
