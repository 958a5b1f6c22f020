"""The steps of a run. Each can be killed at any instruction and run again; none knows the next one."""
