"""Unbiased figures with 95 % intervals from a stratified random sample. Pure NumPy and SciPy."""
