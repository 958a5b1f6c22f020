"""Does a promise hold on real predictions, and how many answers does it leave at the leaf?

    python benchmarks/promise.py ../shared/data/onet_unspsc [--answers 1000 3000] [--promises 0.7 0.8 0.9]
    python benchmarks/promise.py --run runs/onet_unspsc

The second form takes what the current model of a finished run with a replay oracle predicts for its corpus, without the
documents that it was asked about for training, and makes promises as the run does. Rules: the promise, and the
same for the leaf alone, which is one flat threshold.

In the first form, a set's labels are paths, "A > B > C". A text gets the leaf whose name, or one of whose annotated
texts (2,000 in all, drawn at random), is nearest by the bundled encoder. Masses are a softmax over the similarities of
the leaves, summed up the tree. Each split draws the evaluation answers from all other texts, fits the temperature and
the thresholds on a part of them, and verifies the thresholds on the rest. The remaining texts tell whether the promise
holds.

For comparison: one flat threshold on the mass of the leaf, which answers with the leaf or not at all, chosen and
verified in the same way; one threshold for all steps on the masses as they are (the rule of arXiv 2405.11533); other
sizes of the part that is fitted on; and other leniencies, of which 1 asks as much of a leaf as of an inner node.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from labelled_sets import LabelledSet, read_set

from laud_ray.data.corpus import open_corpus, sealed_values
from laud_ray.evaluation.promise import Evaluated, compare
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.stats.bounds import lower_bound
from laud_ray.stats.calibration import softmax
from laud_ray.stats.hierarchy import Chain, climb, fit_chain, verify_chain
from laud_ray.stats.hierarchy.climbing import LENIENCY
from laud_ray.stats.hierarchy.promise import FITTED
from laud_ray.store import model_records
from laud_ray.store.run import look_at
from laud_ray.store.store import Sampled
from laud_ray.taxonomy import SEPARATOR, Taxonomy, read_table
from laud_ray.types import Bools, Floats, Indices

ANNOTATED = 2_000
TEMPERATURES = np.geomspace(0.02, 0.1, 14)
BATCH = 1_000


@dataclass(frozen=True)
class Tree:
    """A taxonomy of k leaves, and their (k, d) paths: the nodes from each leaf upward, -1 above a root."""

    nodes: Taxonomy
    paths: Indices


@dataclass(frozen=True)
class Predictions:
    """Of N texts: (T, N, d) masses of the path at each temperature, (T, N) losses of the true leaf, (N, d) right."""

    masses: Floats
    losses: Floats
    right: Bools


def tree(leaves: Sequence[tuple[str, ...]]) -> Tree:
    """Return the taxonomy of sorted paths."""
    nodes = read_table({"path": [SEPARATOR.join(leaf) for leaf in leaves]}, "labels")
    paths = [np.append(nodes.ancestors(leaf), leaf)[::-1] for leaf in nodes.leaves.tolist()]
    padded = [np.append(path, np.full(nodes.levels - len(path), -1)) for path in paths]
    return Tree(nodes, np.stack(padded))


def predictions(data: LabelledSet, rng: np.random.Generator) -> Predictions:
    names = [tuple(label.name.split(SEPARATOR)) for label in data.task.labels]
    order = sorted(range(len(names)), key=names.__getitem__)
    taxonomy = tree([names[one] for one in order])
    gold = np.argsort(order)[np.concatenate([data.gold, data.test_gold])]
    encoder = Neighbours()
    vectors, drawn = encoder.embed([*data.texts, *data.test_texts]), rng.permutation(len(gold))
    annotated, rest = drawn[:ANNOTATED], drawn[ANNOTATED:]
    known = np.concatenate([encoder.embed([names[one][-1] for one in order]), vectors[annotated]])
    owner = np.concatenate([np.arange(len(names)), gold[annotated]])
    by_leaf = np.argsort(owner, kind="stable")
    firsts = np.searchsorted(owner[by_leaf], np.arange(len(names)))
    masses, losses, right = [], [], []
    for start in range(0, len(rest), BATCH):
        rows = rest[start : start + BATCH]
        similar = np.maximum.reduceat(vectors[rows] @ known[by_leaf].T, firsts, axis=1)
        mass, loss = massed(similar, gold[rows], taxonomy)
        path = taxonomy.paths[similar.argmax(1)]
        masses.append(mass)
        losses.append(loss)
        right.append((path >= 0) & (path[:, :, None] == taxonomy.paths[gold[rows]][:, None, :]).any(2))
    return Predictions(np.concatenate(masses, axis=1), np.concatenate(losses, axis=1), np.concatenate(right))


def massed(similar: Floats, gold: Indices, taxonomy: Tree) -> tuple[Floats, Floats]:
    """Map (n, k) similarities to the (T, n, d) masses of the nearest leaf's path and the (T, n) losses."""
    rows, path = np.arange(len(gold)), taxonomy.paths[similar.argmax(1)]
    masses, losses = [], []
    for temperature in TEMPERATURES:
        proba = softmax(similar / temperature)
        below = np.concatenate([np.zeros((len(rows), 1)), proba.cumsum(1, dtype=np.float64)], axis=1)
        stops, starts = taxonomy.nodes.leaf_stops[path], taxonomy.nodes.leaf_starts[path]
        sums = below[rows[:, None], stops] - below[rows[:, None], starts]
        masses.append(np.where(path >= 0, sums, np.nan))
        losses.append(-np.log(proba[rows, gold] + 1e-12))
    return np.stack(masses), np.stack(losses)


Maker: TypeAlias = Callable[[Floats, Bools, int], Chain]  # masses, right, verified_on


def flat(masses: Floats, right: Bools, verified_on: int) -> Chain:
    """One threshold on the mass of the leaf, as low as the promise bears."""
    alone = fit_chain(masses[:, :1], right[:, :1], verified_on=verified_on)
    never = np.full((len(alone.thresholds), masses.shape[1] - 1), np.inf)
    return Chain(np.hstack([alone.thresholds, never]), np.zeros(len(never)), alone.fitted_on)


def common(masses: Floats, right: Bools, verified_on: int) -> Chain:
    """One threshold for all steps on the masses as they are; the surest expected bound comes first."""
    cuts = np.unique(np.quantile(np.nanmax(masses, axis=1), np.linspace(0, 0.975, 40)))[::-1]
    bounds = []
    for cut in cuts:
        steps = climb(masses, np.full(masses.shape[1], cut))
        given = np.flatnonzero(steps < masses.shape[1])
        scale = verified_on / len(masses)
        bounds.append(lower_bound(int(scale * right[given, steps[given]].sum()), int(scale * len(given))))
    first = int(np.argmax(bounds))
    return Chain(np.repeat(cuts[first:, None], masses.shape[1], axis=1), np.zeros(len(cuts) - first), len(masses))


def lenient(leniency: float) -> Maker:
    return lambda masses, right, verified_on: fit_chain(masses, right, verified_on=verified_on, leniency=leniency)


RULES: dict[str, tuple[Maker, float]] = {
    "promise": (lenient(LENIENCY), FITTED),
    "flat threshold": (flat, FITTED),
    "common threshold": (common, FITTED),
    "leniency 1": (lenient(1), FITTED),
    "leniency 1.5": (lenient(1.5), FITTED),
    "leniency 3": (lenient(3), FITTED),
    "a third fitted": (lenient(LENIENCY), 1 / 3),
    "a half fitted": (lenient(LENIENCY), 1 / 2),
}


def of_run(place: str) -> Evaluated:
    """Compare what a run's current model predicts for its corpus with the column of its replay oracle."""
    with look_at(place) as run:
        corpus, task = open_corpus(run.corpus), run.config.task.to_task()
        current = next(one for one in model_records.models(run.store.engine) if one.current)
        assert corpus is not None
        assert task.taxonomy is not None
        trained = {a.query.document.id for a in run.store.queries() if a.purpose != "evaluation"}
        rows = [
            Sampled(part.name, row, name, 0, corpus.counts["documents"])
            for part in corpus.ranges
            for row, name in enumerate(corpus.read(part.name, ["id"]).column("id").to_pylist())
            if name not in trained
        ]
        answers = sealed_values(corpus, [one.document_id for one in rows])
        return compare(task.taxonomy, run.scores(current.round), rows, answers)


def measure_run(found: Evaluated, answers: int, splits: int, promised: float, *, leaf_alone: bool) -> str:
    """Promise from each split as a run does from its evaluation sample, and test it on the other documents."""
    depth = 1 if leaf_alone else found.masses.shape[1]
    masses, right = found.masses[:, :depth], found.right[:, :depth]
    rows, shown = [], None
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(masses))
        told, fresh = order[:answers], order[answers:]
        shown = Evaluated(masses[told], right[told], found.weights[told]).promise(promised, seed=seed)
        steps = climb(masses[fresh], np.array(shown.thresholds))
        given = np.flatnonzero(steps < depth)
        good = right[fresh][given, steps[given]]
        leaf = right[fresh][steps == 0, 0]
        holds = not len(good) or good.mean() >= promised
        rows.append((holds, shown.verified, len(leaf) / len(fresh), len(good) / len(fresh), leaf.sum(), len(leaf)))
    holds, kept, leaf_share, share, *_ = np.mean(rows, axis=0)
    leaf_right = sum(row[4] for row in rows) / max(sum(row[5] for row in rows), 1)
    rule = "flat threshold" if leaf_alone else "promise"
    cells = [f"{promised:.0%}", str(answers), rule, *(f"{one:.1%}" for one in (holds, kept, leaf_share, share))]
    return "| " + " | ".join([*cells, f"{leaf_right:.1%}"]) + f" |   {shown}"


def measure(found: Predictions, answers: int, splits: int, promised: float, rule: str) -> str:
    make, share = RULES[rule]
    rows, shown = [], None
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(found.right))
        cut = round(share * answers)
        fits, verifies, fresh = order[:cut], order[cut:answers], order[answers:]
        masses, right = found.masses[found.losses[:, fits].mean(1).argmin()], found.right
        chain = make(masses[fits], right[fits], len(verifies))
        shown = verify_chain(chain, masses[verifies], right[verifies], promised)
        steps = climb(masses[fresh], np.array(shown.thresholds))
        given = np.flatnonzero(steps < right.shape[1])
        good = right[fresh][given, steps[given]]
        rows.append(
            (not len(good) or good.mean() >= promised, shown.verified, (steps == 0).mean(), len(good) / len(fresh))
        )
        rows[-1] += (found.right[fresh][steps == 0, 0].mean() if (steps == 0).any() else np.nan,)
    holds, kept, leaf, given_share = np.mean([one[:4] for one in rows], axis=0)
    leaves = [one[4] for one in rows if not np.isnan(one[4])]
    cells = [f"{promised:.0%}", str(answers), rule, *(f"{one:.1%}" for one in (holds, kept, leaf, given_share))]
    return "| " + " | ".join([*cells, f"{np.mean(leaves):.1%}" if leaves else "-"]) + f" |   {shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--run", help="a finished run with a replay oracle, in place of the data")
    parser.add_argument("--answers", type=int, nargs="+", default=[1000, 3000])
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--promises", type=float, nargs="+", default=[0.7, 0.8, 0.9])
    arguments = parser.parse_args()
    if (arguments.run is None) == (arguments.data is None):
        parser.error("expected either a set or --run")
    began = time.monotonic()
    found = of_run(arguments.run) if arguments.run else predictions(read_set(arguments.data), np.random.default_rng(0))
    shares = ", ".join(f"{one:.1%}" for one in found.right.mean(0))
    print(f"{len(found.right)} texts; right from the leaf upward: {shares}; {time.monotonic() - began:.0f} s")
    print("| promised | answers | rule | holds | made | to the leaf | answered | leaf is right |   the last split says")
    for promised in arguments.promises:
        for answers in arguments.answers:
            if isinstance(found, Evaluated):
                for alone in (False, True):
                    line = measure_run(found, answers, arguments.splits, promised, leaf_alone=alone)
                    print(line, flush=True)
                continue
            for rule in RULES:
                print(measure(found, answers, arguments.splits, promised, rule), flush=True)
    print(f"{arguments.splits} splits, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
