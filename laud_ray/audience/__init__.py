"""Audiences: how many names a rule reaches, and what showing an advertisement to them changed.

A rule selects the names that a model labels with a confidence that keeps a promised precision. An experiment on users
measures the effect of a rule on click-through rate.
"""
