"""Read a user's file in any supported format and encoding; errors name the row, the value and what was expected."""
