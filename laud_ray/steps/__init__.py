"""The steps of a run. Each reads the results of earlier ones from the run's store and files.

Each can be killed at any instruction and run again. `laud_ray.loop` has their order; no step depends on the next one.
"""
