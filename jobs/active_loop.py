"""Run `laud run` (the whole loop) as a Ray job, with the same arguments and exit codes.

laud submit jobs/active_loop.py -- task.yaml
ray job submit --working-dir . -- python jobs/active_loop.py task.yaml
"""

import sys

from laud_ray.cli.job import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
