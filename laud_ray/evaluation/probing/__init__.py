"""Probe a language model: does its answer change with the wording, with the order of the labels, or by chance?"""
