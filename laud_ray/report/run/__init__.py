"""The views of a run: in the terminal, on the HTML page and as JSON."""
