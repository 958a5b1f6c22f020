"""The corpus and the zero-shot pass of a run as a Ray job: `laud run --zero-shot-only`. The loop goes on from there.

laud submit jobs/zero_shot.py -- task.yaml
ray job submit --working-dir . -- python jobs/zero_shot.py task.yaml
"""

import sys

from laud_ray.cli.job import main

if __name__ == "__main__":
    main(["run", "--zero-shot-only", *sys.argv[1:]])
