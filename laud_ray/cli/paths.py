"""Where a Ray job may keep what must outlast it."""

import os

from laud_ray.errors import ConfigError

# Ray sets it in the driver of every job.
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def check_lasting(path: str, key: str) -> None:
    """Refuse a relative path in a Ray job: it would lie in the job's copy of the working directory, which Ray deletes.

    Args:
        key: what the path is, for the message: a key of the configuration or an option.

    Raises:
        ConfigError: in a Ray job, for a relative path.
    """
    if IN_A_JOB in os.environ and "://" not in path and not os.path.isabs(path):
        raise ConfigError(
            f"{key}: {path!r} is relative, and a job's own folder is deleted after it; expected a URI, "
            "or an absolute path that every node shares"
        )
