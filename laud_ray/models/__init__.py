"""Learners and scorers: encoders, language models, and the small student of a cascade."""
