"""The steps of a run. Each reads what it needs of earlier ones from the run's store and files.

Each can be killed at any instruction and run again; none knows the next one.
"""
