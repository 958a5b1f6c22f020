"""Score every document of a corpus exactly once: zero-shot, and each round's scores.

A worker reads a range, scores it and writes one Parquet file under the range's name. The file appears whole or not at
all, so a pass resumes with the ranges that have no file. Memory grows with the number of ranges, never with documents.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from laud_ray.cluster.workers import Workers
from laud_ray.data.corpus import Corpus
from laud_ray.errors import RunError
from laud_ray.passes.missing import find_missing, map_missing
from laud_ray.passes.novelty import Beside, Examining, Measuring
from laud_ray.passes.scoring import (
    distinct,
    load_rules,
    load_scorer,
    load_taxonomy,
    open_model,
    score_table,
    score_texts,
    with_failures,
)
from laud_ray.passes.shortlists import SHORTLIST, Shortlist, shortlist_range
from laud_ray.passes.summary import Summing
from laud_ray.stats.legibility import ENOUGH, Legibility, LegibleScorer
from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.folder import Folder
from laud_ray.types import Scorer, SpatialScorer

DESCRIPTION = "pass.json"
TASKS = Workers()


@dataclass(frozen=True, slots=True)
class PassResult:
    """Counts and times of a pass.

    Attributes:
        ranges: ranges of the corpus.
        resumed: ranges that earlier attempts had committed.
        rows: documents of this attempt.
        errors: documents of this attempt that could not be scored.
        start_up: seconds until the first range was committed.
        seconds: seconds in all.
        health: figures that the scorer measured of itself; empty if it measures none.
        legibility: how much of a sample of the texts the scorer's tokenizer cannot represent; without texts if it
            can represent everything.
    """

    ranges: int
    resumed: int
    rows: int
    errors: int
    start_up: float
    seconds: float
    health: Mapping[str, float]
    legibility: Legibility


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker needs besides the name of a range."""

    corpus: Corpus
    model: Folder
    out: Folder
    name: str
    shortlist: Shortlist | None
    load: Callable[[str], Scorer]
    beside: Beside | None


@dataclass(frozen=True, slots=True)
class _Scored:
    """The counts of one scored range."""

    rows: int
    errors: int
    health: dict[str, float]
    legibility: Legibility


def run_pass(
    corpus: Corpus,
    model: Folder,
    out: Folder,
    *,
    name: str,
    shortlist: Shortlist | None = None,
    beside: Beside | None = None,
    workers: Workers = TASKS,
    load: Callable[[str], Scorer] = open_model,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PassResult:
    """Score the ranges that have no output in `out`.

    Args:
        corpus: the corpus to score.
        model: the model's folder.
        out: the folder of the output, one Parquet file per range.
        name: the model's name, written into every row.
        shortlist: what to keep for selection, whose total each range fills in; None keeps nothing.
        beside: what to measure with the vectors of the texts, of a model that has vectors; None measures nothing.
        workers: resources of the workers.
        load: opens the model in a worker, once per process.
        progress: called with the rows done and the rows in all after each range.

    After documents were appended, only the ranges of the new generation have no output.

    Raises:
        PassError: if a range cannot be read or written, or the engine fails on one range after the other. Also if
            ranges were set aside because their workers died repeatedly; all others are committed then.
        RunError: if `out` holds the output of another model or corpus.
    """
    began = time.monotonic()
    _claim(out, {"model": name, "corpus": corpus.identity})
    missing = find_missing({part.name: part.rows for part in corpus.ranges}, out)
    progress(missing.done, total := missing.total)
    rows = errors = 0
    start_up = 0.0
    health: dict[str, float] = {}
    legibility = Legibility()
    # A worker may have another working directory than this process.
    corpus, model, out = replace(corpus, folder=corpus.folder.absolute()), model.absolute(), out.absolute()
    job = _Job(corpus, model, out, name, shortlist, load, beside)
    for done, result in map_missing(missing, _score_range, job, workers):
        start_up = start_up or time.monotonic() - began
        health, legibility = result.value.health or health, legibility + result.value.legibility
        rows, errors = rows + result.value.rows, errors + result.value.errors
        progress(done, total)
    seconds = time.monotonic() - began
    resumed = len(corpus.ranges) - len(missing.names)
    return PassResult(len(corpus.ranges), resumed, rows, errors, start_up, seconds, health, legibility)


def _claim(out: Folder, identity: dict[str, str]) -> None:
    """Make sure that the ranges in a folder come from this model and this corpus."""
    if not out.exists(DESCRIPTION):
        out.write(DESCRIPTION, dump_json(identity))
        return
    found = parse_json(out.read(DESCRIPTION), f"{out.uri}/{DESCRIPTION}", dict)
    for key, value in identity.items():
        if found.get(key) != value:
            raise RunError(f"{out.uri}: holds a pass of {key} {found.get(key)!r}; expected {key} {value!r}")


def _score_range(name: str, job: _Job) -> _Scored:
    """Score one range and commit it. The scores are written last, because they mark the range as done."""
    table = job.corpus.read(name)
    texts, inverse = distinct(table.column("text"))
    scorer, wanted = load_scorer(job.model, job.load), job.shortlist
    if wanted is not None:
        # A range is a random sample of its generation, not of the whole corpus.
        wanted = replace(wanted, total=job.corpus.distinct_beside(name))
    strategy = None if wanted is None else wanted.strategy
    tree, rules = load_taxonomy(job.model), load_rules(job.model, scorer)
    summing = Summing(len(texts), len(scorer.labels), strategy=strategy, taxonomy=tree, rules=rules)
    beside = job.beside if job.beside is not None and name in job.beside.ranges else None
    if beside is None:
        _, failures = score_texts(scorer, texts, summing.add)
    else:
        assert isinstance(scorer, SpatialScorer)
        measuring = Measuring(len(texts), beside.known)
        both = Examining(scorer, summing.add, measuring)
        _, failures = score_texts(scorer, texts, both.add, both.score)
        beside.out.write_table(name, measuring.table(table.column("id"), inverse))
    found = summing.summary
    errors, usable = with_failures(table.column("error"), failures, inverse)
    scores = score_table(table.column("id"), found, inverse, usable, errors, scorer.labels, job.name)
    if wanted is not None:
        listed = shortlist_range(wanted, name, table, scores, found, inverse, usable, scorer.labels)
        (job.out / SHORTLIST).write_table(name, listed)
    job.out.write_table(name, scores)
    # A range is a random sample of the corpus, so its first texts are one too.
    legibility = scorer.legibility(texts[:ENOUGH]) if isinstance(scorer, LegibleScorer) else Legibility()
    return _Scored(table.num_rows, int((~usable).sum()), dict(getattr(scorer, "health", {})), legibility)
