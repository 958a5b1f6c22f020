"""Figures of a taxonomy: in the terminal, as JSON, and as a tree on the page."""
