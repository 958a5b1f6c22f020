"""The versions of a run's labels, and its answers in the words of the version in force."""
