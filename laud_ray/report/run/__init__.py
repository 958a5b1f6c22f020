"""A run as people and programs read it: in the terminal, on the HTML page and as JSON."""
