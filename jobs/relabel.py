"""Run `laud relabel` as a Ray job, with the same arguments and exit codes.

laud submit jobs/relabel.py -- s3://bucket/runs/food s3://bucket/names --out s3://bucket/labels
ray job submit --working-dir . -- python jobs/relabel.py RUN DATA --out DIR
"""

import sys

from laud_ray.cli.job import main

if __name__ == "__main__":
    main(["relabel", *sys.argv[1:]])
