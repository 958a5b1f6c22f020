"""Run `laud update` as a Ray job, with the same arguments and exit codes.

laud submit --again jobs/update.py -- s3://bucket/runs/food s3://bucket/names
ray job submit --working-dir . -- python jobs/update.py RUN NEW_DATA
"""

import sys

from laud_ray.cli.job import main

if __name__ == "__main__":
    main(["update", *sys.argv[1:]])
