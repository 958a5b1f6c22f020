"""Memory and time of the process that runs `laud run`, with many labels and many documents.

    python benchmarks/taxonomy_driver.py [--leaves 30000] [--names 1000000] [--folder FOLDER] [--quick]

A pass takes most of the time of such a run, in workers, and `taxonomy.py scale` measures it. Here its files are
written in its place: invented names, and for each the 64 likeliest leaves with invented probabilities, in the format
and with the code of a pass. Then the steps of `laud run` that read them run in this process: the evaluation sample is
drawn and answered, its figures are measured, and the shortlists of the seed walk and of the selection are read. No
model is trained or asked. Each step's seconds, of CPU too, and the peak of this process's memory in it are printed.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from memory import peak
from taxonomy import DATA, grown, invented, read_tree

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.evaluation.measure import evaluate_round
from laud_ray.passes.run import DESCRIPTION
from laud_ray.passes.scoring import score_table
from laud_ray.passes.shortlists import SHORTLIST, Shortlist, read_shortlist, shortlist_range, to_candidates
from laud_ray.passes.summary import TOP_LEAVES, Summary
from laud_ray.query.auto import Auto
from laud_ray.steps.annotation.annotate import annotate
from laud_ray.steps.sample import draw_evaluation
from laud_ray.steps.selection.seed_walk import ClassRanking, ranking_depth, seed_cap, sought_groups, to_rankings
from laud_ray.steps.selection.strategy import criteria, depth, strategy_of
from laud_ray.steps.start import start
from laud_ray.steps.work import Work
from laud_ray.storage.checksums import dump_json
from laud_ray.store.run import claim
from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.groups import Groups
from laud_ray.types import Floats, Indices

NEAR = 40  # of the likeliest leaves, those that lie side by side in the tree


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print the seconds, the CPU seconds and the peak of memory of a step."""
    Path("/proc/self/clear_refs").write_text("5")
    began, used = time.monotonic(), time.process_time()
    yield
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    print(f"| {what} | {seconds:.1f} s, of CPU {cpu:.1f} s | {peak():,.0f} MB |", flush=True)


def configured(place: Path, data: Path, leaves: int, names: int) -> RunConfig:
    """Write the tree and the documents, unless they are there, and return the configuration of the run."""
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "names.parquet").exists():
        found = read_tree(data)
        tree = grown(found.taxonomy, leaves)
        paths = [tree.label(leaf) for leaf in tree.leaves.tolist()]
        (place / "tree.txt").write_text("\n".join(paths))
        true = np.random.default_rng(1).integers(leaves, size=names)
        labels = pa.DictionaryArray.from_arrays(pa.array(true), pa.array(paths)).cast(pa.string())
        pq.write_table(pa.table({"text": invented(found.texts, names), "label": labels}), place / "names.parquet")
    small = names < 100_000
    chosen = {
        "task": {"name": "driver", "kind": "taxonomy", "labels": str(place / "tree.txt"), "wording": "leaf"},
        "corpus": {"path": str(place / "names.parquet"), "text": "text"},
        "storage": str(place / "run"),
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"per_class": 1, "max_queries": 100 if small else 1_000},
        "query": {"strategy": "auto", "batch": 20 if small else 200},
        "evaluation": {"size": 100 if small else 1_000},
        "budget": {"annotations": 200 if small else 2_000},
    }
    return config.parse(json.dumps(chosen))


def invent(tree: Taxonomy, texts: int, rng: np.random.Generator) -> tuple[Summary, Indices]:
    """Return the likeliest leaves of texts without utilities: most near one place of the tree, the rest anywhere."""
    k, near = len(tree.leaves), min(NEAR, len(tree.leaves) // 4)
    top = min(TOP_LEAVES, k)
    steps = np.concatenate(
        [rng.integers(1, 3, (texts, near - 1)), rng.integers(1, max(k // (2 * top), 2), (texts, top - near))], axis=1
    )
    offsets = np.concatenate([np.zeros((texts, 1), np.int64), steps.cumsum(axis=1)], axis=1)
    order = (rng.integers(k, size=(texts, 1)) + offsets) % k
    best = np.exp(-np.arange(top) / rng.uniform(0.5, 8, (texts, 1))).astype(np.float32)
    best *= rng.uniform(0.5, 0.98, (texts, 1)) / best.sum(axis=1, keepdims=True)
    rest = 1 - best.sum(axis=1)
    masses = np.full((texts, tree.levels), np.nan, np.float32)
    leaves = tree.leaves[order[:, 0]]
    for level in range(1, tree.levels + 1):
        there = tree.depths[leaves] >= level
        node = tree.at_depth(leaves, level)
        starts, stops = tree.leaf_starts[node], tree.leaf_stops[node]
        listed = (order >= starts[:, None]) & (order < stops[:, None])
        mass = np.where(listed, best, 0).sum(axis=1) + rest * (stops - starts) / k
        masses[there, level - 1] = mass[there].clip(0, 1)
    best = np.maximum(best, np.float32(1e-12))
    entropy = -(best * np.log(best)).sum(axis=1) - rest * np.log(rest / max(k - top, 1))
    return Summary(order.astype(np.int32), best, entropy.astype(np.float32), confidences=masses), order


def summed(found: Summary, groups: Groups) -> Floats:
    """Return the probabilities of the groups."""
    owner = np.repeat(np.arange(len(groups.names)), groups.sizes)
    rest = 1 - found.best.sum(axis=1)
    proba = rest[:, None] * (groups.sizes / groups.classes).astype(np.float32)
    rows = np.repeat(np.arange(len(proba)), found.order.shape[1])
    np.add.at(proba, (rows, owner[found.order.ravel()]), found.best.ravel())
    return proba.astype(np.float32)


def write_pass(work: Work, round: int) -> None:
    """Write what a pass of a round's model would write, with its code, from invented probabilities."""
    tree, corpus, out = work.task.taxonomy, work.corpus, work.run.scores(round)
    assert tree is not None
    groups, auto = sought_groups(work.task, work.config), Auto(None)
    if round:
        wanted = Shortlist(auto, depth(work, auto), frozenset(), (0, round))
    else:
        cap = seed_cap(work.config)
        wanted = Shortlist(ClassRanking(groups), ranking_depth(len(groups.names), cap), frozenset(), (0, 0))
    wanted = Shortlist(wanted.strategy, wanted.depth, wanted.exclude, wanted.seed, corpus.pool_size)
    name = work.run.model_name(round)
    out.write(DESCRIPTION, dump_json({"model": name, "corpus": corpus.identity}))
    for number, part in enumerate(corpus.ranges):
        if out.exists(part.name):
            continue
        table = corpus.read(part.name)
        found, order = invent(tree, table.num_rows, np.random.default_rng([round, number]))
        rest = 1 - found.best.sum(axis=1, keepdims=True)
        utility = auto.utility(np.hstack([found.best, rest / 2, rest / 2])) if round else summed(found, groups)
        found = replace(found, utility=utility)
        every, usable = np.arange(len(order)), np.ones(len(order), np.bool_)
        scores = score_table(table.column("id"), found, every, usable, table.column("error"), work.task.names, name)
        listed = shortlist_range(wanted, part.name, table, scores, found, every, usable, work.task.names)
        (out / SHORTLIST).write_table(part.name, listed)
        out.write_table(part.name, scores)


def steps(chosen: RunConfig) -> None:
    """Start the run, write the passes of its first two rounds, and measure the steps that read them."""
    with claim(chosen) as folder:
        with measured("start"):
            work = start(folder, lambda event: print(f"  ({event.note[:150]})") if event.kind == "note" else None)
        print(f"  ({len(work.corpus.ranges)} ranges)")
        for round in (0, 1):
            with measured(f"the files of round {round}, which workers write in a run"):
                write_pass(work, round)
        with measured("evaluation sample drawn"):
            draw_evaluation(work)
        with measured("its answers"):
            annotate(work, "evaluation", 0)
        with measured("its figures"):
            evaluate_round(work.run, 0)
        names, scores = sought_groups(work.task, chosen).names, work.run.scores
        with measured(f"rankings of the seed walk, {len(names)} branches"):
            listed = read_shortlist(work.corpus, scores(0), ranking_depth(len(names), seed_cap(chosen)))
            to_rankings(listed, names)
        with measured("shortlist of the selection"):
            strategy = strategy_of(work)
            listed = read_shortlist(work.corpus, scores(1), depth(work, strategy))
            to_candidates(listed, criteria(work, strategy))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--leaves", type=int, default=30_000)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/driver"), help="where the run is; a killed one resumes"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see whether it runs")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    leaves, names = (500, 5_000) if args.quick else (args.leaves, args.names)
    print(f"{leaves:,} leaves, {names:,} names\n| step | time | peak of memory |\n|---|---|---|", flush=True)
    steps(configured(args.folder, args.data, leaves, names))


if __name__ == "__main__":
    main()
