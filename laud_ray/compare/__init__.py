"""Two labelled outputs, compared."""
