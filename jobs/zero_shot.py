"""Run `laud run --zero-shot-only` as a Ray job: the corpus and the zero-shot pass. jobs/active_loop.py continues it.

laud submit jobs/zero_shot.py -- task.yaml
ray job submit --working-dir . -- python jobs/zero_shot.py task.yaml
"""

import sys

from laud_ray.cli.job import main

if __name__ == "__main__":
    main(["run", "--zero-shot-only", *sys.argv[1:]])
