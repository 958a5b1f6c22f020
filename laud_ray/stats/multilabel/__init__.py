"""Statistics of tasks in which several labels may apply to a document. Pure NumPy."""
