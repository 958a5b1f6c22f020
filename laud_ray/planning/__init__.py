"""Before a run: what is there, and what it will take."""
