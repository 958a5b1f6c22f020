"""The Ray that a command works on."""

import logging
import os

import ray


def connect() -> None:
    """Connect to the Ray of RAY_ADDRESS, or start one on this machine, unless that was done."""
    # Ray Data sets its loggers up when it is imported, to write among the lines of whoever uses it.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if not ray.is_initialized():
        ray.init(
            address=os.environ.get("RAY_ADDRESS"),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
