"""How often the list from which a language model chooses holds the right leaf of a taxonomy, with the bundled encoder.

    python benchmarks/candidate_recall.py ../shared/data/onet_unspsc --sizes 20 50 100 --annotations 0 300 2000

The folder has train.parquet and test.parquet with the columns text and label, a path. Annotations are drawn at random
from the training file, and the taxonomy is that of the paths of both files.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from laud_ray.oracles.trees.candidates import Asked, Candidates
from laud_ray.oracles.trees.walk import FIRST
from laud_ray.stats import Sample
from laud_ray.stats.estimates.shares import estimate_ratio
from laud_ray.taxonomy.reading.found import read_found
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Estimate, Example


def main() -> None:
    """Print a line of JSON for each size and number of annotations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50])
    parser.add_argument("--annotations", type=int, nargs="+", default=[0, 300, 2000])
    parser.add_argument("--documents", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    train, test = (read(args.data / f"{name}.parquet") for name in ("train", "test"))
    tree = read_found([(one.label, 1) for one in (*train, *test)], str(args.data))
    task, rng = task_of("t", tree), np.random.default_rng(args.seed)
    shown = [train[i] for i in rng.permutation(len(train))]
    asked = [test[i] for i in rng.permutation(len(test))[: args.documents]]
    right = [tree.find(one.label) for one in asked]
    for n in args.annotations:
        for size in args.sizes:
            began = time.monotonic()
            lists = Candidates(task, size, shown[:n]).lists([Asked(one.text, FIRST) for one in asked])
            hits = np.asarray([node in listed for node, listed in zip(right, lists, strict=True)], np.float64)
            found = share(hits)
            figures = {"recall": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}
            seconds = round(time.monotonic() - began, 1)
            print(json.dumps({"annotations": n, "size": size, **figures, "n": found.n, "seconds": seconds}), flush=True)


def read(path: Path) -> list[Example]:
    """Read the texts and labels of a file."""
    table = pq.read_table(path, columns=["text", "label"])
    return [Example(row["text"], row["label"]) for row in table.to_pylist()]


def share(hits: np.ndarray) -> Estimate:
    """Estimate a share from a simple random sample of a file."""
    n = len(hits)
    zeros = np.zeros(n, np.int64)
    return estimate_ratio(Sample(zeros, zeros, np.ones(n), zeros, None), hits, np.ones(n))


if __name__ == "__main__":
    main()
