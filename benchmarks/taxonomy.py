"""Quality and speed with thousands of labels in levels.

    python benchmarks/taxonomy.py                  # quality, then scale
    python benchmarks/taxonomy.py quality [--data ../shared/data/onet_unspsc] [--annotations 2000] [--seeds 3] [--quick]
    python benchmarks/taxonomy.py scale [--leaves 30000] [--names 20000] [--quick]

quality: a set's labels are paths, "A > B > C". Figures are those of its test file: the share whose leaf is right,
hierarchical F1, the share that is right at each level, the expected calibration error there, and how often the right
leaf is among the 50 likeliest. Models: the zero-shot classifier; the learner with random annotations; with the answers
that `laud run` asked for (--strategies). Rivals: the nearest of all leaf names and annotated texts; 5 nearest
neighbours by TF-IDF of characters with the annotated texts, and with all texts of the pool. Each line is appended to
--lines when it is measured, and a line that is there is not measured again.

scale: the leaves of the set, and copies of them with a number until there are enough, against a task of 100 leaves;
the same zero-shot encoder scores invented names in one thread, as a worker of a pass does, and keeps what a pass keeps.
Each task has a process of its own, whose peak of memory is that of a worker.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import results

from laud_ray import config, loop
from laud_ray.config.models import EncoderConfig, EncoderZeroShotConfig
from laud_ray.models import kinds
from laud_ray.models.encoder.learner import EncoderLearner
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.ray_train import Resources
from laud_ray.passes.scoring import score_texts
from laud_ray.passes.summary import Summing
from laud_ray.stats.calibration import softmax
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.hierarchy import hierarchy_figures
from laud_ray.stats.metrics import calibration_error
from laud_ray.taxonomy import Taxonomy, node_mass, read_table
from laud_ray.taxonomy.task import task_of
from laud_ray.texts import normalise_text
from laud_ray.types import Example, Floats, Indices, Scorer, Task

DATA = Path("../shared/data/onet_unspsc")
RECALL = 50
NEIGHBOURS = 5
BATCH = 500


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A set: its taxonomy, the pool of an oracle, and a test file that no run sees. gold are leaves."""

    taxonomy: Taxonomy
    task: Task
    texts: list[str]
    gold: Indices
    test_texts: list[str]
    test_gold: Indices

    def figures(self, proba: Floats) -> dict[str, object]:
        """Return the figures of (n, k) probabilities of the test texts, in percent."""
        tree, found = self.taxonomy, proba.argmax(axis=1)
        n, nodes, true = len(proba), self.taxonomy.leaves[proba.argmax(axis=1)], self.taxonomy.leaves[self.test_gold]
        sample = Sample(true, nodes, proba[np.arange(n), found], np.zeros(n, np.int64), None)
        all_figures = hierarchy_figures(sample, tree.parents, seed=0)
        gold = proba[np.arange(n), self.test_gold]
        ranks = np.concatenate(
            [(proba[i : i + BATCH] >= gold[i : i + BATCH, None]).sum(axis=1) for i in range(0, n, BATCH)]
        )  # a tie counts against the right leaf
        return {
            "accuracy": percent(all_figures.accuracy.value),
            "interval": [percent(all_figures.accuracy.low), percent(all_figures.accuracy.high)],
            "hf1": percent(all_figures.f1.value),
            "levels": [percent(level.accuracy.value) for level in all_figures.levels],
            "calibration_error": self._errors(proba, nodes, true),
            "recall": percent(float((ranks <= RECALL).mean())),
            "n": n,
        }

    def _errors(self, proba: Floats, nodes: Indices, true: Indices) -> list[float]:
        """Return the expected calibration error at each level."""
        tree, mass = self.taxonomy, np.zeros((len(proba), self.taxonomy.levels))
        for start in range(0, len(proba), BATCH):
            rows = slice(start, start + BATCH)
            masses = node_mass(tree, proba[rows])
            for level in range(tree.levels):
                mass[rows, level] = masses[np.arange(len(masses)), tree.at_depth(nodes[rows], level + 1)]
        errors = []
        for level in range(tree.levels):
            deep = tree.depths[nodes] > level
            right = tree.at_depth(nodes, level + 1) == tree.at_depth(true, level + 1)
            errors.append(percent(calibration_error(mass[deep, level], right[deep])))
        return errors


def percent(share: float) -> float:
    return round(100 * share, 1)


def read_tree(data: Path, most: int | None = None) -> Tree:
    """Read train.parquet and test.parquet; the tree has the leaves of both. `most` keeps the first texts only."""
    parts = []
    for part in ("train", "test"):
        table = pq.read_table(data / f"{part}.parquet", columns=["text", "label"])
        parts.append(dict(zip(map(normalise_text, table["text"].to_pylist()), table["label"].to_pylist(), strict=True)))
    paths = sorted({label for part in parts for label in part.values()})
    taxonomy = read_table({"path": paths}, str(data))
    place = {taxonomy.label(node): leaf for leaf, node in enumerate(taxonomy.leaves.tolist())}
    cells = []
    for part in parts:
        rows = [(text, place[label]) for text, label in part.items() if label in place][:most]
        cells += [[text for text, _ in rows], np.asarray([leaf for _, leaf in rows], np.int64)]
    return Tree(taxonomy, task_of(data.stem, taxonomy), *cells)


def scored(scorer: Scorer, texts: Sequence[str]) -> Floats:
    return np.concatenate([scorer.score(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)])


def zero_shot(tree: Tree, place: Path) -> Floats:
    EncoderLearner().fit(tree.task, [], out=str(place), seed=0)
    return scored(kinds.load(str(place)), tree.test_texts)


def random_annotations(tree: Tree, place: Path, n: int, seed: int, options: dict[str, object]) -> Floats:
    drawn = np.random.default_rng(seed).permutation(len(tree.texts))[:n]
    examples = [Example(tree.texts[i], tree.task.names[tree.gold[i]]) for i in drawn]
    learner = EncoderConfig.model_validate({"kind": "encoder", **options})
    kinds.build(learner, EncoderZeroShotConfig(engine="encoder"), Resources(), tree.task).fit(
        tree.task, examples, out=str(place), seed=seed
    )
    return scored(kinds.load(str(place)), tree.test_texts)


def asked_annotations(
    tree: Tree, data: Path, place: Path, n: int, seed: int, strategy: str, batch: int, options: dict[str, object]
) -> Floats:
    """Return the probabilities of the current model after `laud run` has spent n annotations."""
    chosen = {
        "task": {"name": data.stem, "kind": "taxonomy", "labels": list(tree.task.names)},
        "corpus": {"path": str(data / "train.parquet"), "text": "text"},
        "storage": str(place),
        "seed": seed,
        "oracle": {"kind": "replay", "label": "label"},
        "query": {"strategy": strategy, "batch": batch},
        "budget": {"annotations": n},
        "learner": {"kind": "encoder", **options},
    }
    outcome = loop.run(config.parse(json.dumps(chosen)), lambda event: None)
    return scored(kinds.load(str(place / "models" / str(outcome.model))), tree.test_texts)


def nearest(tree: Tree, n: int, seed: int) -> Floats:
    """The leaf of the nearest of all leaf names and n annotated texts."""
    drawn, encoder = np.random.default_rng(seed).permutation(len(tree.texts))[:n], Neighbours()
    names = [str(label.wording) for label in tree.task.labels]
    texts, known = (encoder.embed(part) for part in (tree.test_texts, [tree.texts[i] for i in drawn]))
    similar = texts @ encoder.embed(names).T
    np.maximum.at(similar.T, tree.gold[drawn], (texts @ known.T).T)
    return softmax(20 * similar)


def tfidf(tree: Tree, n: int, seed: int) -> Floats:
    """The votes of the 5 nearest of n annotated texts, by TF-IDF of 2 to 4 characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    drawn = np.random.default_rng(seed).permutation(len(tree.texts))[:n]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    known = vectorizer.fit_transform([tree.texts[i] for i in drawn])
    proba = np.full((len(tree.test_texts), len(tree.task.labels)), 1e-9, np.float32)
    for start in range(0, len(proba), BATCH):
        part = vectorizer.transform(tree.test_texts[start : start + BATCH])
        similar = (part @ known.T).toarray().astype(np.float32)
        near = np.argpartition(-similar, min(NEIGHBOURS, n) - 1, axis=1)[:, :NEIGHBOURS]
        rows = start + np.arange(len(similar))[:, None]
        np.add.at(proba, (rows, tree.gold[drawn][near]), np.take_along_axis(similar, near, axis=1))
    return proba / proba.sum(axis=1, keepdims=True)


def quality(args: argparse.Namespace) -> None:
    tree = read_tree(args.data, 400 if args.quick else None)
    n, seeds = (100, 1) if args.quick else (args.annotations, args.seeds)
    batch = 50 if args.quick else args.batch
    options = json.loads(args.options)
    with tempfile.TemporaryDirectory(prefix="laud-bench-") as temporary:
        for method, seed in plan(args, seeds):
            key = {"data": args.data.stem, "method": method, "annotations": n, "seed": seed, "options": args.options}
            key |= {"quick": args.quick, "batch": batch}
            if any(key.items() <= record.items() for record in results.read(args.lines)):
                continue
            place, began = Path(temporary) / f"{method.replace(' ', '-')}-{seed}", time.monotonic()
            if method == "zero-shot":
                proba = zero_shot(tree, place)
            elif method == "random":
                proba = random_annotations(tree, place, n, seed, options)
            elif method == "names":
                proba = nearest(tree, n, seed)
            elif method.startswith("tf-idf"):
                proba = tfidf(tree, n if method == "tf-idf" else len(tree.texts), seed)
            else:
                run = args.runs / f"{args.data.stem}-{method}-{seed}" if args.runs else place
                proba = asked_annotations(tree, args.data, run, n, seed, method, batch, options)
            record = {**key, **tree.figures(proba), "seconds": round(time.monotonic() - began)}
            results.append(args.lines, record)
            print(json.dumps(record), flush=True)
    wanted = {"data": args.data.stem, "options": args.options, "quick": args.quick}
    report([one for one in results.read(args.lines) if wanted.items() <= one.items()])


def plan(args: argparse.Namespace, seeds: int) -> Iterator[tuple[str, int]]:
    yield from (("zero-shot", 0), ("tf-idf all", 0))
    for seed in range(seeds):
        yield from (("names", seed), ("tf-idf", seed), ("random", seed))
        yield from ((strategy, seed) for strategy in args.strategies)


def report(records: Sequence[results.Record]) -> None:
    print("| method | annotations | seeds | leaf accuracy | hF1 | by level | recall@50 | calibration error by level |")
    for method, n in dict.fromkeys((one["method"], one["annotations"]) for one in records):
        rows = [one for one in records if (one["method"], one["annotations"]) == (method, n)]
        means = [np.mean([row[key] for row in rows], axis=0).round(1) for key in ("accuracy", "hf1", "levels")]
        more = [np.mean([row[key] for row in rows], axis=0).round(1) for key in ("recall", "calibration_error")]
        cells = [method, n, len(rows), *means, *more]
        print("| " + " | ".join(str(cell) for cell in cells) + " |")


def scale(args: argparse.Namespace) -> None:
    """Measure both tasks in processes of their own, in turn, and print the ratio of their rates."""
    names = 2_000 if args.quick else args.names
    sizes = (100, 3_000 if args.quick else args.leaves)
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="laud-bench-") as temporary:
        for _ in range(1 if args.quick else args.repeats):
            for size in sizes:
                command = [sys.executable, __file__, "worker", "--data", str(args.data), "--leaves", str(size)]
                command += ["--names", str(names), "--models", temporary]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=one_thread)
                found[size].append(json.loads(done.stdout.splitlines()[-1]))
    for size, rows in found.items():
        best = max(row["rate"] for row in rows)
        memory = max(row["megabytes"] for row in rows)
        print(f"{size} leaves: {best:.0f} rows/s of CPU time, {names} names, peak {memory:.0f} MB", flush=True)
    rates = [max(row["rate"] for row in rows) for rows in found.values()]
    print(f"ratio {rates[1] / rates[0]:.2f}")


def worker(args: argparse.Namespace) -> None:
    """Score names as a worker of a pass does; print the rows of a second of CPU time, and the peak of memory."""
    import torch

    torch.set_num_threads(1)
    tree = read_tree(args.data)
    taxonomy, model = grown(tree.taxonomy, args.leaves), Path(args.models) / str(args.leaves)
    if not model.exists():
        EncoderLearner().fit(task_of("grown", taxonomy), [], out=str(model), seed=0)
    scorer, texts = kinds.load(str(model)), invented(tree.texts, args.names)
    scorer.score(texts[:BATCH])
    summing = Summing(len(texts), len(scorer.labels), taxonomy=taxonomy)
    began = time.process_time()
    score_texts(scorer, texts, summing.add)
    rate = len(texts) / (time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": rate, "megabytes": peak}))


def grown(taxonomy: Taxonomy, leaves: int) -> Taxonomy:
    """Return a taxonomy of so many leaves: the first ones, or all and copies of them with a number in each name."""
    paths = [taxonomy.nodes[leaf].path for leaf in taxonomy.leaves.tolist()]
    found = []
    for i in range(leaves):
        copy, path = i // len(paths), paths[i % len(paths)]
        found.append(" > ".join(f"{name} {copy}" if copy else name for name in path))
    return read_table({"path": found}, "grown")


def invented(texts: Sequence[str], n: int) -> list[str]:
    """Return n different names: those of the set, and then two of them together with a number."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(len(texts), size=(n, 2)).tolist()
    return [texts[i] if i < len(texts) else f"{texts[a]} {texts[b]} {i}" for i, (a, b) in enumerate(pairs)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", choices=["quality", "scale", "worker"], nargs="?", help="quality, then scale by default"
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--annotations", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strategies", nargs="*", default=["auto"], help="query strategies of `laud run`")
    parser.add_argument("--batch", type=int, default=250, help="queries of a round of `laud run`")
    parser.add_argument("--options", default="{}", help="keys of the learner, as JSON")
    parser.add_argument("--lines", type=Path, default=Path("runs/taxonomy.jsonl"), help="of what was measured")
    parser.add_argument("--runs", type=Path, help="folder for the runs, so that a killed one resumes")
    parser.add_argument("--leaves", type=int, default=30_000)
    parser.add_argument("--names", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--models", default=".")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see whether it runs")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    for what in [args.what] if args.what else ["quality", "scale"]:
        {"quality": quality, "scale": scale, "worker": worker}[what](args)


if __name__ == "__main__":
    main()
