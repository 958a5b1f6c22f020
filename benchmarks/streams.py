"""Streams of real texts in which new classes arrive: the alarm, the proposals, and what an update learns.

    python benchmarks/drift.py streams

A run begins with documents of all classes but ten, and is updated with batch after batch by `laud_ray.update`. From
batch 6 on, a share of each batch is documents of the ten classes; with a share of 0 the stream stays as it was, and any
alarm is false. A replayed column answers. The benchmark is the person who decides about proposals: it looks at the
texts of a proposal, accepts one that is mostly a class which the labels lack, under the class's name, merges one that
is mostly a label, and refuses others. A stream ends with the first decision about a new model. The rival is a run from
the beginning over the same documents, with all labels and as many annotations.

Each stream, and then each rival, adds a line to a file when it has ended; those that have a line there are skipped. The
summary is of all lines of the file.
"""

import itertools
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import results
import yaml
from labelled_sets import read_set
from new_classes import matches

from laud_ray import loop
from laud_ray.cluster.connect import connect
from laud_ray.config import RunConfig, parse
from laud_ray.discovery.clusters import LEAST
from laud_ray.models import kinds
from laud_ray.store.run import look_at
from laud_ray.store.updates import proposals
from laud_ray.store.versions import labels
from laud_ray.types import Indices, Task
from laud_ray.update.outcome import Outcome
from laud_ray.update.update import update

HELD, CHANGE, BATCHES = 10, 6, 15
SMALLEST = 20  # documents of a class that may be held back
MAJORITY = 0.5
FIELDS = ("data", "share", "seed", "learner")
NAMES = {"before": "before", "learned": "the update's model", "after": "the current model", "rival": "the rival"}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Documents at the beginning, in a batch and in the test set of known classes, and annotations of the first run."""

    start: int
    batch: int
    test: int
    annotations: int
    evaluation: int = 300


# What the sets can bear: no text comes twice, since an append would leave it out.
SIZES = {"hs_chapter": Sizes(1500, 200, 500, 300), "banking77": Sizes(3000, 480, 1000, 300)}
OTHERS = Sizes(1500, 200, 500, 300)


@dataclass(frozen=True, slots=True)
class Stream:
    """A set with held-back classes, divided: the n texts and their labels, and rows of them."""

    texts: Sequence[str]
    labels: Sequence[str]
    held: frozenset[str]
    start: Indices
    batches: tuple[Indices, ...]
    test_old: Indices
    test_new: Indices


def read_texts(folder: Path) -> tuple[Task, list[str], list[str]]:
    """Return the task of a set, and its distinct texts and their labels, those of the test file among them."""
    given = read_set(folder)
    every = dict(zip([*given.texts, *given.test_texts], np.concatenate([given.gold, given.test_gold]), strict=True))
    return given.task, list(every), [given.task.names[i] for i in every.values()]


def stream_of(texts: Sequence[str], labels: Sequence[str], sizes: Sizes, share: float, seed: int) -> Stream:
    """Hold back HELD classes at random, and divide the documents; three tenths of the held-back ones are a test set."""
    rng, counts = np.random.default_rng(seed), Counter(labels)
    named = sorted(label for label, n in counts.items() if n >= SMALLEST)
    held = frozenset(rng.choice(named, HELD, replace=False).tolist())
    is_held = np.array([label in held for label in labels])
    old, new = rng.permutation(np.flatnonzero(~is_held)), rng.permutation(np.flatnonzero(is_held))
    test_new, new = np.split(new, [round(0.3 * len(new))])
    test_old, start, old = np.split(old, np.cumsum([sizes.test, sizes.start]))
    batches = []
    for number in range(1, BATCHES + 1):
        wanted = rng.binomial(sizes.batch, share) if number >= CHANGE else 0
        some, new = np.split(new, [min(wanted, len(new))])
        others, old = np.split(old, [min(sizes.batch - len(some), len(old))])
        batches.append(rng.permutation(np.concatenate([some, others])))
    return Stream(texts, labels, held, start, tuple(batches), test_old, test_new)


class Streamed:
    """A stream that a run is updated with, in a folder."""

    def __init__(self, place: Path, stream: Stream, sizes: Sizes, learner: str, seed: int) -> None:
        self.place, self.stream, self.sizes, self.learner, self.seed = place, stream, sizes, learner, seed
        self.label_of = dict(zip(stream.texts, stream.labels, strict=True))
        self.names = sorted(set(stream.labels))

    def write(self, name: str, rows: Indices) -> Path:
        """Write some documents to a file."""
        table = {"text": [self.stream.texts[i] for i in rows], "label": [self.stream.labels[i] for i in rows]}
        pq.write_table(pa.table(table), path := self.place / f"{name}.parquet")
        return path

    def config(self, name: str, corpus: str, names: Sequence[str], annotations: int, evaluation: int) -> RunConfig:
        """Return the configuration of a run over some files."""
        settings = {
            "task": {"name": "stream", "kind": "multiclass", "labels": [{"name": one} for one in names]},
            "corpus": {"path": corpus, "text": "text"},
            "storage": str(self.place / name),
            "seed": self.seed,
            "learner": {"kind": self.learner},
            "oracle": {"kind": "replay", "label": "label"},
            "init": {"max_queries": annotations // 2},
            "query": {"batch": annotations - annotations // 2},
            "evaluation": {"size": evaluation, "stop_set": 100},
            "budget": {"annotations": annotations},
        }
        return parse(yaml.safe_dump(settings))

    def accuracy(self, run: Path, model: str | None = None) -> dict[str, Any]:
        """Return the accuracy of a run's model, the current one by default, on both test sets, and its annotations."""
        with look_at(str(run)) as folder:
            model = model or folder.store.setting("current")
            counts, spent = folder.store.counts(), folder.store.spent()
        scorer = kinds.load(str(run / "models" / str(model)))
        found: dict[str, Any] = {"model": model, "training": spent, "evaluation": counts["evaluation"]}
        for name, rows in (("old", self.stream.test_old), ("new", self.stream.test_new)):
            best = scorer.score([self.stream.texts[i] for i in rows]).argmax(1)
            found[name] = float(
                np.mean([scorer.labels[b] == self.stream.labels[i] for b, i in zip(best, rows, strict=True)])
            )
        return found

    def decide(self, run: Path) -> list[dict[str, Any]]:
        """Decide about all open proposals as a person who knows the texts; return what was decided."""
        with look_at(str(run)) as folder:
            known = [one.name for one in folder.config.task.labels]
            waiting = [one for one in proposals.every(folder.store.engine) if one.state == "open"]
        made = []
        for one in waiting:
            label, n = Counter(self.label_of[text] for text in one.cluster.texts).most_common(1)[0]
            mostly = n > MAJORITY * len(one.cluster.texts)
            state = "refused" if not mostly else "merged" if label in known else "accepted"
            with labels.changing(str(run)) as folder:
                if state == "accepted":
                    labels.accept(folder, one.number, label)
                    known.append(label)
                elif state == "merged":
                    labels.merge(folder, one.number, label)
                else:
                    labels.refuse(folder, one.number)
            new = mostly and label in self.stream.held
            said = {"state": state, "label": label if mostly else None, "name": one.cluster.name, "new": new}
            made.append({**said, "named": new and matches(one.cluster.name, label), "size": one.cluster.size})
        return made

    def run(self) -> dict[str, Any]:
        """Run, and update batch by batch until a new model is promoted or kept back."""
        names = [one for one in self.names if one not in self.stream.held]
        self.write("batch-00", self.stream.start)
        first = str(self.place / "batch-00.parquet")
        loop.run(self.config("run", first, names, self.sizes.annotations, self.sizes.evaluation))
        run, batches = self.place / "run", list[dict[str, Any]]()
        before, outcome = self.accuracy(run), None
        for number, rows in enumerate(self.stream.batches, 1):
            began = time.monotonic()
            outcome = update(str(run), str(self.write(f"batch-{number:02d}", rows)))
            alarms, decided = outcome.alarms, list[dict[str, Any]]()
            while outcome.state == "person" and outcome.decision is None:  # labels are proposed
                decided += self.decide(run)
                outcome = update(str(run))
            batches.append(self.told(number, outcome, alarms, decided, time.monotonic() - began))
            print(f"    batch {number}: {outcome.state} {' '.join(alarms)} {batches[-1]['evidence']}", flush=True)
            if outcome.decision is not None:
                break
        decision = None if outcome is None or outcome.decision is None else outcome.decision
        return {
            "before": before,
            "batches": batches,
            "decision": None if decision is None else {"verdict": decision.verdict, "words": decision.words},
            "after": self.accuracy(run),
            "learned": None if decision is None else self.accuracy(run, decision.model),
            "present": sum(n >= LEAST for n in self.arrived(len(batches)).values()),
            "tests": [len(self.stream.test_old), len(self.stream.test_new)],
        }

    def rival(self, line: dict[str, Any]) -> dict[str, Any]:
        """Run over the documents of a stream that has ended, with all labels and as many annotations."""
        rows = np.concatenate([self.stream.start, *self.stream.batches[: len(line["batches"])]])
        corpus, spent = str(self.write("every", rows)), line["after"]
        loop.run(self.config("rival", corpus, self.names, spent["training"], spent["evaluation"]))
        return self.accuracy(self.place / "rival")

    def told(
        self, number: int, outcome: Outcome, alarms: Sequence[str], decided: list[dict[str, Any]], seconds: float
    ) -> dict[str, Any]:
        rows = self.stream.batches[number - 1]
        return {
            "batch": number,
            "documents": len(rows),
            "new": sum(self.stream.labels[i] in self.stream.held for i in rows),
            "state": outcome.state,
            "alarms": list(alarms),
            "evidence": {test: round(log, 2) for test, log in outcome.evidence.items()},
            "proposals": decided,
            "seconds": round(seconds, 1),
        }

    def arrived(self, batches: int) -> Counter[str]:
        """Return how many documents of each held-back class the first batches had."""
        every = np.concatenate(self.stream.batches[:batches])
        return Counter(self.stream.labels[i] for i in every if self.stream.labels[i] in self.stream.held)


def streams(
    data: Sequence[Path], shares: Sequence[float], seeds: int, learner: str, out: Path, most: int | None
) -> Iterator[str]:
    """Measure settings that have no line in `out`, at most `most` of them, and yield lines about all that have one."""
    logging.disable(logging.WARNING)
    for folder, share, seed in itertools.islice(_missing(out, data, shares, seeds, learner, "stream"), most):
        yield f"{folder.name}, {share:.0%} new, seed {seed}, {learner}"
        with _streamed(folder, share, seed, learner) as one:
            _add(out, "stream", folder, share, seed, learner, {**one.run(), "sizes": asdict(one.sizes)})
    for folder, share, seed in itertools.islice(_missing(out, data, shares, seeds, learner, "rival"), most):
        ended = [one for one in results.read(out) if _key(one) == ("stream", folder.name, share, seed, learner)]
        if ended and ended[0]["decision"] is not None:
            yield f"{folder.name}, {share:.0%} new, seed {seed}, {learner}: the rival"
            with _streamed(folder, share, seed, learner) as one:
                _add(out, "rival", folder, share, seed, learner, one.rival(ended[0]))
    yield from summary(results.read(out))


def _key(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[field] for field in ("part", *FIELDS))


def _missing(
    out: Path, data: Sequence[Path], shares: Sequence[float], seeds: int, learner: str, part: str
) -> Iterator[tuple[Path, float, int]]:
    done = {_key(one) for one in results.read(out)}
    for seed in range(seeds):
        for folder in data:
            for share in shares:
                if (part, folder.name, share, seed, learner) not in done:
                    yield folder, share, seed


def _add(out: Path, part: str, folder: Path, share: float, seed: int, learner: str, found: dict[str, Any]) -> None:
    what = {"part": part, "data": folder.name, "share": share, "seed": seed, "learner": learner}
    results.append(out, {**what, **found})


@contextmanager
def _streamed(folder: Path, share: float, seed: int, learner: str) -> Iterator[Streamed]:
    (_, texts, labels), sizes = read_texts(folder), SIZES.get(folder.name, OTHERS)
    connect()
    with tempfile.TemporaryDirectory(prefix="streams-") as place:
        yield Streamed(Path(place), stream_of(texts, labels, sizes, share, seed), sizes, learner, seed)


def summary(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a few lines for each group of settings that differ only in the seed."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    rivals = {_key(one)[1:]: one for one in lines if one["part"] == "rival"}
    for one in lines:
        if one["part"] == "stream":
            found = {**one, "rival": rivals.get(_key(one)[1:])}
            groups.setdefault((one["data"], one["share"], one["learner"]), []).append(found)
    for (data, share, learner), some in groups.items():
        yield f"\n{data}, {share:.0%} new from batch {CHANGE} on, {learner} learner, {len(some)} streams"
        yield from _told(some, share)


def _told(some: Sequence[dict[str, Any]], share: float) -> Iterator[str]:
    first = [_first_alarm(one) for one in some]
    early = [n for n in first if n is not None and (n < CHANGE or not share)]
    yield f"  streams with a false alarm: {len(early)} {early or ''}"
    if share:
        delays = sorted(n - CHANGE + 1 for n in first if n is not None and n >= CHANGE)
        yield f"  batches until the alarm, those without a false one: {delays}; never: {sum(n is None for n in first)}"
        made = [one for line in some for batch in line["batches"] for one in batch["proposals"]]
        found = sum(
            len({p["label"] for b in line["batches"] for p in b["proposals"] if p["state"] == "accepted"})
            for line in some
        )
        of_new = [one for one in made if one["new"]]
        yield (
            f"  new classes with 5 documents or more: {sum(line['present'] for line in some)}, found {found}; "
            f"proposals {len(made)}, of a new class {len(of_new)}, of these named right "
            f"{sum(p['named'] for p in of_new)}"
        )
        verdicts = Counter(line["decision"]["verdict"] for line in some if line["decision"])
        yield f"  decisions: {dict(verdicts)}"
    for what, name in NAMES.items():
        if there := [line[what] for line in some if line[what]]:
            mean = {key: _mean(one[key] for one in there) for key in ("old", "new", "training", "evaluation")}
            yield (
                f"  {name:18} accuracy on old {mean['old']:.1%}, on new {mean['new']:.1%}; annotations "
                f"{mean['training']:.0f} + {mean['evaluation']:.0f} for evaluation ({len(there)} streams)"
            )


def _first_alarm(line: dict[str, Any]) -> int | None:
    return next((one["batch"] for one in line["batches"] if one["alarms"]), None)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
