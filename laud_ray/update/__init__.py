"""Data that keep coming: append -> score -> notice -> ask -> propose -> learn -> decide.

Each step reads the results of earlier ones from the run's store and files, and records what it decides before it acts
on it. So each can be killed at any instruction, and the same command goes on. `laud_ray.update.update` has their order.
"""
