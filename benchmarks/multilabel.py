"""Quality of multilabel models and query strategies on a set of texts with lists of labels.

    python benchmarks/multilabel.py quality [--annotations 500 2000] [--seeds 3] [--learners encoder linear tfidf]
    python benchmarks/multilabel.py queries [--annotations 500] [--seeds 3] [--strategies random label_entropy]
    python benchmarks/multilabel.py show

quality: random annotations of the train file; figures of the test file in percent: micro-F1, macro-F1 over all labels,
exact match, and the mean number of true and predicted labels. `tfidf` is the rival: TF-IDF of characters, a logistic
regression for each label, and one threshold that maximises micro-F1 out of fold. `zero_shot` has no annotations; an
`--annotations` of 0 means all: the ceiling.

queries: the linear learner on frozen vectors, from 100 random annotations in batches of --batch. Strategies of the
product by name, `auto` for its default, with `:kmeans` for diverse batches. `small_text:CLASS` is a strategy of
small-text with the same vectors and batches, whose queries train the same learner.

Each line is appended to --lines when it is measured, and a line that is there is not measured again.
"""

import argparse
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import results

from laud_ray import query
from laud_ray.config.asking import MIX_OF_SETS
from laud_ray.label_sets import LabelSet, masks
from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.models.encoder.learner import EncoderLearner
from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.models.kinds import load
from laud_ray.models.multilabel import linear
from laud_ray.query.spatial.space import reach
from laud_ray.stats.multilabel.thresholds import best_threshold
from laud_ray.steps.training.model import MEMORY_OF_SETS
from laud_ray.texts import normalise_text
from laud_ray.types import Bools, Candidates, Example, Floats, Indices, Label, Space, Task

DATA = Path("../shared/data/onet_users_multilabel")
FIRST = 100
WIDE = 10  # candidates of a diverse batch for each of its documents


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """A set: texts with (n, k) masks, and a test file that is not used in training."""

    task: Task
    texts: list[str]
    mask: np.ndarray
    test_texts: list[str]
    test_mask: np.ndarray

    def examples(self, rows: Indices) -> list[Example]:
        names = np.asarray(self.task.names)
        return [Example(self.texts[i], LabelSet.of(names[self.mask[i] == 1].tolist()).text) for i in rows]

    def figures(self, applies: Bools) -> dict[str, float]:
        """Return the figures of (n, k) predicted sets of the test texts, in percent."""
        true = self.test_mask == 1
        both, either = (applies & true).sum(axis=0), applies.sum(axis=0) + true.sum(axis=0)
        return {
            "micro_f1": percent(2 * both.sum() / max(either.sum(), 1)),
            "macro_f1": percent((2 * both / np.maximum(either, 1)).mean()),
            "exact": percent((applies == true).all(axis=1).mean()),
            "true_labels": round(float(true.sum(axis=1).mean()), 2),
            "predicted_labels": round(float(applies.sum(axis=1).mean()), 2),
        }


def percent(share: float) -> float:
    return round(100 * float(share), 2)


def read_lists(folder: Path) -> Lists:
    """Read train.parquet and test.parquet with columns text and labels; of equal texts the first counts."""
    parts = []
    for part in ("train", "test"):
        rows = pq.read_table(folder / f"{part}.parquet", columns=["text", "labels"]).to_pylist()
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(normalise_text(row["text"]) or "", row["labels"])
        parts.append(found)
    return as_lists(folder.name, *parts)


def read_joined(folder: Path) -> Lists:
    """Make a set out of one with a label for each text: two texts of different labels in one, or a text alone.

    Two thirds of the texts become pairs, so that half of the new texts have two labels, and half have one.
    """
    parts: list[dict[str, set[str]]] = []
    for part in ("train", "test"):
        rows = pq.read_table(folder / f"{part}.parquet", columns=["text", "label"]).to_pylist()
        order = np.random.default_rng(0).permutation(len(rows))
        found: dict[str, set[str]] = {}
        for i in range(0, len(order) - 2, 3):
            first, second, third = (rows[j] for j in order[i : i + 3])
            both = {first["label"], second["label"]}
            if len(both) == 2:
                found[normalise_text(f"{first['text']} {second['text']}") or ""] = both
            found[normalise_text(third["text"]) or ""] = {third["label"]}
        parts.append(found)
    return as_lists(folder.name, *parts)


def as_lists(name: str, train: Mapping[str, Collection[str]], test: Mapping[str, Collection[str]]) -> Lists:
    """Make a set of texts and their labels."""
    parts = (train, test)
    names = sorted({name for part in parts for labels in part.values() for name in labels})
    train_mask, test_mask = (masks((LabelSet.of(sorted(one)).text for one in part.values()), names) for part in parts)
    task = Task(name, "multilabel", tuple(Label(name) for name in names))
    return Lists(task, list(train), train_mask, list(test), test_mask)


def quality(lists: Lists, learner: str, n: int, seed: int, epochs: int, memory: int) -> dict[str, float]:
    """Train on n random annotations, and measure on the test file."""
    order = np.random.default_rng(seed).permutation(len(lists.texts))
    rows = order if n == 0 else order[:n]
    if learner == "zero_shot":
        rows = rows[:0]
    began = time.monotonic()
    if learner == "tfidf":
        applies = tfidf(lists, rows)
    else:
        texts = tuple(
            lists.texts[i] for i in np.random.default_rng(1_000 + seed).permutation(len(lists.texts))[:memory]
        )
        made = {
            "encoder": EncoderLearner(epochs=epochs, holdout=0.2, texts=texts),
            "zero_shot": EncoderLearner(),
            "linear": LinearLearner(),
        }[learner]
        with tempfile.TemporaryDirectory() as place:
            made.fit(lists.task, lists.examples(rows), out=f"{place}/m", seed=seed)
            scorer = load(f"{place}/m")
            applies = scorer.score(lists.test_texts) >= scorer.thresholds  # type: ignore[attr-defined]
    return lists.figures(applies) | {"seconds": round(time.monotonic() - began, 1)}


def tfidf(lists: Lists, rows: Indices) -> Bools:
    """Predict as the rival does."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline

    texts, mask = np.asarray([lists.texts[i] for i in rows], object), lists.mask[rows]

    def proba(train: Indices, new: list[str]) -> Floats:
        found = np.zeros((len(new), mask.shape[1]))
        vectors = make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True))
        x, z = vectors.fit_transform(texts[train]), vectors.transform(new)
        for label in np.flatnonzero(mask[train].any(axis=0) & ~mask[train].all(axis=0)):
            fitted = LogisticRegression(C=10, max_iter=1000).fit(x, mask[train, label])
            found[:, label] = fitted.predict_proba(z)[:, 1]
        return found

    held = np.zeros(mask.shape)
    for train, out in KFold(5, shuffle=True, random_state=0).split(texts):
        held[out] = proba(train, texts[out].tolist())
    threshold = best_threshold(held.ravel(), mask.ravel())
    found: Bools = proba(np.arange(len(rows)), lists.test_texts) >= threshold
    return found


def queries(
    lists: Lists, vectors: tuple[Floats, Floats], strategy: str, n: int, batch: int, seed: int
) -> Iterator[dict[str, object]]:
    """Annotate in batches; yield the figures after each fit."""
    (x, test), rng = vectors, np.random.default_rng(seed)
    prior = LinearLearner().prior(Encoder(BUNDLED, 64).freeze(), lists.task)
    asked = rng.permutation(len(x))[:FIRST]
    while True:
        fitted = linear.fit(x[asked], lists.mask[asked], prior, seed=seed)
        yield {"annotations": len(asked)} | lists.figures(fitted.proba(test) >= fitted.thresholds)
        if len(asked) >= n:
            return
        pool = np.setdiff1d(np.arange(len(x)), asked)
        pick = small_text_pick if strategy.startswith("small_text:") else product_pick
        asked = np.concatenate([asked, pool[pick(strategy, x, lists.mask, asked, pool, fitted, batch, rng)]])


def product_pick(
    strategy: str,
    x: Floats,
    mask: np.ndarray,
    asked: Indices,
    pool: Indices,
    fitted: linear.Fitted,
    batch: int,
    rng: np.random.Generator,
) -> Indices:
    """Return the rows of the pool that a strategy of the product asks about."""
    name, _, diversity = strategy.partition(":")
    answers = mask[asked]
    built = query.build(
        "mix" if name == "auto" else name,
        counts=(answers == 1).sum(axis=0).tolist(),
        mix=MIX_OF_SETS if name == "auto" else None,
        diversity="kmeans" if name == "auto" else diversity or None,
        answers=answers,
        thresholds=fitted.thresholds,
    )
    proba = fitted.proba(x[pool])
    utility = built.utility(proba)
    ranks = np.stack([np.argsort(np.lexsort((rng.random(len(pool)), -column))) for column in utility.T], axis=1)
    listed = ranks < WIDE * batch  # as a pass does, for each criterion
    rows = np.flatnonzero(listed.any(axis=1))
    utility = np.where(listed, utility, -np.inf)[rows]
    known = np.zeros(len(asked), np.int64)
    space = Space(x[pool][rows], proba[rows], x[asked], fitted.proba(x[asked]), known) if reach(built) else None
    candidates = Candidates([str(i) for i in rows], [str(i) for i in rows], utility, space)
    return rows[built.pick(candidates, batch, rng=rng)]


def small_text_pick(
    strategy: str,
    x: Floats,
    mask: np.ndarray,
    asked: Indices,
    pool: Indices,
    fitted: linear.Fitted,
    batch: int,
    rng: np.random.Generator,
) -> Indices:
    """Return the rows of the pool that a strategy of small-text asks about, by the probabilities of the same model."""
    import small_text as st
    from scipy.sparse import csr_matrix

    every, labels = np.concatenate([pool, asked]), csr_matrix(mask[asked] == 1, dtype=np.int64)

    class Model:
        """What its strategies take from a classifier: probabilities of data sets, whose rows are numbers."""

        def predict_proba(self, data: st.SklearnDataset) -> Floats:
            return fitted.proba(np.asarray(data.x, np.float32))

        def predict(self, data: st.SklearnDataset, return_proba: bool = False) -> object:
            proba = self.predict_proba(data)
            found = csr_matrix(proba >= 0.5, dtype=np.int64)
            return (found, proba) if return_proba else found

    data = st.SklearnDataset(x[every], csr_matrix(np.zeros((len(every), mask.shape[1]), np.int64)))
    made = getattr(st, strategy.partition(":")[2])()
    state = np.random.get_state()  # noqa: NPY002 - its strategies draw from the global generator
    np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002
    found = made.query(Model(), data, np.arange(len(pool)), np.arange(len(pool), len(every)), labels, n=batch)
    np.random.set_state(state)  # noqa: NPY002
    return np.asarray(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["quality", "queries", "show"])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--joined", action="store_true", help="join two texts of a set with one label for each text")
    parser.add_argument("--annotations", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--learners", nargs="+", default=["encoder", "linear", "tfidf", "zero_shot"])
    parser.add_argument("--strategies", nargs="+", default=["random", "auto", "label_entropy", "cvirs"])
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--memory", type=int, default=MEMORY_OF_SETS)
    parser.add_argument("--lines", type=Path, default=Path("runs/multilabel.jsonl"))
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    done = {results_key(line) for line in results.read(args.lines)}
    lists = read_joined(args.data) if args.joined else read_lists(args.data)
    if args.study == "quality":
        for seed, n, learner in ((s, n, one) for s in seeds for n in args.annotations for one in args.learners):
            more = {"epochs": args.epochs, "memory": args.memory} if learner == "encoder" else {}
            key = {"study": "quality", "learner": learner, "annotations": n, "seed": seed} | more
            if results_key(key) not in done:
                results.append(args.lines, key | quality(lists, learner, n, seed, args.epochs, args.memory))
    elif args.study == "queries":
        encoder = Encoder(BUNDLED, 64).freeze()
        vectors = encoder.embed(lists.texts), encoder.embed(lists.test_texts)
        for seed, strategy in ((s, one) for s in seeds for one in args.strategies):
            key = {"study": "queries", "strategy": strategy, "seed": seed}
            for point in queries(lists, vectors, strategy, max(args.annotations), args.batch, seed):
                if results_key(key | point) not in done:
                    results.append(args.lines, key | point)
    show(results.read(args.lines))


def results_key(line: dict[str, object]) -> tuple[object, ...]:
    keys = ("study", "learner", "strategy", "annotations", "seed", "epochs", "memory")
    return tuple(line.get(key) for key in keys)


def show(lines: list[dict[str, object]]) -> None:
    """Print the mean figures of each cell, and the number of seeds."""
    cells: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for line in lines:
        key = results_key(line | {"seed": None})
        cells.setdefault(key, []).append(line)
    for key, found in sorted(cells.items(), key=lambda cell: str(cell[0])):
        mean = {
            name: round(float(np.mean([float(str(one[name])) for one in found])), 2)
            for name in ("micro_f1", "macro_f1", "exact")
        }
        print(*(str(part) for part in key if part is not None), f"seeds={len(found)}", mean)


if __name__ == "__main__":
    main()
