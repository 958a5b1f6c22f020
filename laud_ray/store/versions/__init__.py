"""The versions of a run's taxonomy, and its answers in the words of the version in force."""
