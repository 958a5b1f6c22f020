"""Score every document of a corpus exactly once: zero-shot, each round's scores, relabeling.

The work list is the list of ranges without a committed output. A worker reads its range, scores it and writes
one Parquet file whose name the range fixes; the file appears whole or not at all, and to resume is to list
what is there. Memory grows with the number of ranges, never with documents.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy

from laud_ray import models
from laud_ray.corpus import Corpus, Range
from laud_ray.errors import PassError, RunError
from laud_ray.storage import Folder
from laud_ray.types import Bools, Candidates, Floats, Indices, QueryStrategy, Scorer

logger = logging.getLogger(__name__)

TOP = 5
CHUNK = 4096
DESCRIPTION = "pass.json"
SHORTLIST = "shortlist"
SCORES_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.dictionary(pa.int32(), pa.string())),
        ("confidence", pa.float32()),
        ("margin", pa.float32()),
        ("entropy", pa.float32()),
        ("top_labels", pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        ("top_probabilities", pa.list_(pa.float32())),
        ("model", pa.dictionary(pa.int32(), pa.string())),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Shortlist:
    """What a pass keeps for selection: of each range, the `depth` best documents by each criterion.

    Attributes:
        exclude: ids of documents that may not be asked about.
        seed: breaks ties at random, the same way in every attempt.
    """

    strategy: QueryStrategy
    depth: int
    exclude: frozenset[str]
    seed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who scores: tasks in warm processes, or, for scorers that own an engine, a pool of `engines` actors.

    Attributes:
        cpus, gpus: what each of them takes.
    """

    cpus: float = 1
    gpus: float = 0
    engines: int = 0


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a pass did. Rows and errors count this attempt only; `resumed` ranges were there already.

    Attributes:
        health: what the scorer measured of itself, if it does.
        start_up: seconds until the first range came back.
        seconds: seconds in all.
    """

    ranges: int
    resumed: int
    rows: int
    errors: int
    start_up: float
    seconds: float
    health: Mapping[str, float]


def run_pass(
    corpus: Corpus,
    model: Folder,
    out: Folder,
    *,
    name: str,
    shortlist: Shortlist | None = None,
    workers: Workers = Workers(),
    load: Callable[[str], Scorer] = models.load,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PassResult:
    """Score the ranges that have no output in `out`; call progress(rows done, rows in all) as they come.

    Args:
        name: the model's name, written into every row.
        load: opens the model in a worker, once per process.

    Raises:
        PassError: if a range cannot be scored or written: the scorer fails on all of it, or the disk is full.
        RunError: if `out` holds the output of another model or corpus.
    """
    began = time.monotonic()
    _claim(out, {"model": name, "corpus": corpus.fingerprint})
    committed = out.names()
    todo = [part for part in corpus.ranges if part.name not in committed]
    total = sum(part.rows for part in corpus.ranges)
    done = total - sum(part.rows for part in todo)
    progress(done, total)
    rows = errors = 0
    start_up = 0.0
    health: dict[str, float] = {}
    for result in _results(todo, Job(corpus, model, out, name, shortlist, load), workers) if todo else ():
        if result["failure"]:
            raise PassError(str(result["failure"]))
        start_up = start_up or time.monotonic() - began
        health = json.loads(result["health"]) or health
        rows, errors = rows + result["rows"], errors + result["errors"]
        progress(done + rows, total)
    return PassResult(
        len(corpus.ranges), len(corpus.ranges) - len(todo), rows, errors, start_up, time.monotonic() - began, health
    )


def _claim(out: Folder, identity: dict[str, str]) -> None:
    """Make sure that all ranges in a folder come from one model and one corpus."""
    if not out.exists(DESCRIPTION):
        out.write(DESCRIPTION, json.dumps(identity).encode())
        return
    found = json.loads(out.read(DESCRIPTION))
    for key, value in identity.items():
        if found.get(key) != value:
            raise RunError(f"{out.uri}: holds a pass with {key} {found.get(key)!r}; expected {value!r}")


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs to know beside the range."""

    corpus: Corpus
    model: Folder
    out: Folder
    name: str
    shortlist: Shortlist | None
    load: Callable[[str], Scorer]


def _results(todo: Sequence[Range], job: Job, workers: Workers) -> Iterator[dict[str, Any]]:
    """Map the ranges over Ray workers; yield each result as its range is committed."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    shared = ray.put(job)
    rows = [{"name": part.name, "rows": part.rows} for part in todo]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _EngineOwner if workers.engines else _score_block,
        batch_size=1,
        fn_kwargs={"job": [shared]},
        num_cpus=workers.cpus,
        num_gpus=workers.gpus or None,
        compute=_pool(workers.engines) if workers.engines else None,
    )
    yield from dataset.iter_rows()


def _score_block(batch: dict[str, Any], job: list[Any]) -> dict[str, Any]:
    """Ray Data's side of `score_range`: a block of one range descriptor becomes one result."""
    (name,) = batch["name"]
    try:
        result = {**score_range(str(name), ray.get(job[0])), "failure": ""}
    except Exception as error:  # noqa: BLE001 - the worker's edge: whatever it is, it becomes data
        result = {"rows": 0, "errors": 0, "health": "{}", "failure": f"{name}: {type(error).__name__}: {error}"}
    return {key: np.asarray([value]) for key, value in result.items()}


def _pool(engines: int) -> ActorPoolStrategy:
    """Actors that work on two ranges at a time: one is read, tokenized or written while the engine has the other."""
    return ActorPoolStrategy(
        size=engines,
        max_tasks_in_flight_per_actor=4,
        max_concurrent_calls_per_actor=2,
        enable_true_multi_threading=True,
    )


class _EngineOwner:
    """The same work in an actor, so that the engine that its first range starts stays for the others."""

    def __call__(self, batch: dict[str, Any], job: list[Any]) -> dict[str, Any]:
        return _score_block(batch, job)


_loading = Lock()


def _scorer(model: Folder, load: Callable[[str], Scorer]) -> Scorer:
    """Load a model once per worker process; a model's folder never changes, so its place identifies it."""
    with _loading:
        return _loaded(model, load)


@lru_cache(maxsize=2)
def _loaded(model: Folder, load: Callable[[str], Scorer]) -> Scorer:
    return load(str(model.fetch(Path(gettempdir()) / "laud-models")))


def score_range(name: str, job: Job) -> dict[str, Any]:
    """Score one range and commit it: the shortlist first, the scores last, since these mark it as done."""
    table = job.corpus.read(name)
    texts: list[str | None] = table.column("text").to_pylist()
    unique, inverse = _distinct(texts)
    scorer = _scorer(job.model, job.load)
    proba, failures = score_texts(scorer, unique)
    errors: list[str | None] = table.column("error").to_pylist()
    for row, at in enumerate(inverse):
        if at >= 0 and at in failures:
            errors[row] = failures[int(at)]
    usable = np.asarray([error is None for error in errors], np.bool_)
    if not usable.any() and failures:
        raise PassError(f"the scorer failed on every document: {next(iter(failures.values()))}")
    scores = score_table(table.column("id").to_pylist(), proba, inverse, usable, errors, scorer.labels, job.name)
    if job.shortlist is not None:
        listed = _shortlist(job.shortlist, name, table, scores, proba, inverse, usable)
        (job.out / SHORTLIST).write_table(name, listed)
    job.out.write_table(name, scores)
    health = json.dumps(getattr(scorer, "health", {}))
    return {"rows": len(texts), "errors": int((~usable).sum()), "health": health}


def score_texts(scorer: Scorer, texts: Sequence[str]) -> tuple[Floats, dict[int, str]]:
    """Score texts in chunks; return (n, k) probabilities, and the reason for each text that cannot be scored.

    When a chunk fails it is halved until the texts at fault stand alone; their rows stay zero.
    """
    proba = np.zeros((len(texts), len(scorer.labels)), np.float32)
    failures: dict[int, str] = {}
    chunks = [(i, min(i + CHUNK, len(texts))) for i in range(0, len(texts), CHUNK)]
    while chunks:
        start, end = chunks.pop()
        try:
            part = scorer.score(texts[start:end])
            if not np.isfinite(part).all():
                raise FloatingPointError("the probabilities are not finite")
            proba[start:end] = part
        except Exception as error:  # noqa: BLE001 - the worker's edge: whatever it is, it becomes data
            if end - start == 1:
                failures[start] = f"{type(error).__name__}: {error}"
            else:
                middle = (start + end) // 2
                chunks += [(start, middle), (middle, end)]
    return proba, failures


def _distinct(texts: Sequence[str | None]) -> tuple[list[str], Indices]:
    """Return the distinct texts, and for each row its place among them; -1 where there is no text."""
    places: dict[str, int] = {}
    inverse = [-1 if text is None else places.setdefault(text, len(places)) for text in texts]
    return list(places), np.asarray(inverse, np.int64)


def score_table(
    ids: Sequence[str],
    proba: Floats,
    inverse: Indices,
    usable: Bools,
    errors: Sequence[str | None],
    labels: Sequence[str],
    model: str,
) -> pa.Table:
    """Make the output rows from (u, k) probabilities; row i has those at inverse[i] where it is usable."""
    if not len(proba):
        proba = np.zeros((1, len(labels)), np.float32)
    top = min(TOP, len(labels))
    order = np.argpartition(-proba, top - 1, axis=1)[:, :top]
    rank = np.argsort(-np.take_along_axis(proba, order, 1), axis=1, kind="stable")
    order = np.take_along_axis(order, rank, 1)
    best = np.take_along_axis(proba, order, 1)
    entropy = -np.sum(proba * np.log(np.maximum(proba, 1e-12)), axis=1)
    rows, null = np.where(usable, inverse, 0), ~usable
    names = pa.array(labels)

    def floats(values: Floats) -> pa.Array:
        return pa.array(values[rows], pa.float32(), mask=null)

    label = pa.DictionaryArray.from_arrays(pa.array(order[rows, 0].astype(np.int32), mask=null), names)
    offsets = pa.array(np.concatenate([[0], np.cumsum(usable * top)]).astype(np.int32))
    top_labels = pa.DictionaryArray.from_arrays(pa.array(order[rows[usable]].ravel().astype(np.int32)), names)
    one_model = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(ids), np.int32)), pa.array([model]))
    return pa.Table.from_arrays(
        [
            pa.array(ids, pa.string()),
            label,
            floats(best[:, 0]),
            floats(best[:, 0] - best[:, 1]),
            floats(entropy),
            pa.ListArray.from_arrays(offsets, top_labels),
            pa.ListArray.from_arrays(offsets, pa.array(best[rows[usable]].ravel(), pa.float32())),
            one_model,
            pa.array(errors, pa.string()),
        ],
        schema=SCORES_SCHEMA,
    )


def _shortlist(
    wanted: Shortlist,
    name: str,
    table: pa.Table,
    scores: pa.Table,
    proba: Floats,
    inverse: Indices,
    usable: Bools,
) -> pa.Table:
    """List, for each criterion, the best documents of a range that may be asked about, equal texts once."""
    fresh = ~np.asarray(table.column("duplicate_of").is_valid())
    free = np.asarray([key not in wanted.exclude for key in table.column("id").to_pylist()])
    rows = np.flatnonzero(usable & fresh & free)
    utility = wanted.strategy.utility(proba[inverse[rows]])
    digits = [int(c) for c in name if c.isdigit()]
    ties = np.random.default_rng([*wanted.seed, *digits]).random(len(rows))
    criteria, places = [], []
    for criterion in range(utility.shape[1]):
        best = np.lexsort((ties, -utility[:, criterion]))[: wanted.depth]
        criteria.append(np.full(len(best), criterion, np.int32))
        places.append(best)
    at = np.concatenate(places)
    columns = scores.select(["id", "top_labels", "top_probabilities"]).take(pa.array(rows[at]))
    return (
        columns.append_column("text", table.column("text").take(pa.array(rows[at])))
        .append_column("criterion", pa.array(np.concatenate(criteria)))
        .append_column("utility", pa.array(utility[at, np.concatenate(criteria)].astype(np.float32)))
        .append_column("tie", pa.array(ties[at]))
    )


def read_shortlist(corpus: Corpus, out: Folder, depth: int) -> pa.Table:
    """Merge the shortlists of a finished pass into the `depth` best rows of each criterion, best first.

    Columns: id, text, criterion, utility, tie, top_labels, top_probabilities.
    """
    merged: pa.Table | None = None
    for part in corpus.ranges:
        table = (out / SHORTLIST).read_table(part.name)
        merged = table if merged is None else pa.concat_tables([merged, table])
        if merged.num_rows > 20 * depth:
            merged = _best(merged, depth)
    assert merged is not None
    return _best(merged, depth)


def _best(table: pa.Table, depth: int) -> pa.Table:
    order = np.lexsort([table.column(c).to_numpy() * s for c, s in (("tie", 1), ("utility", -1), ("criterion", 1))])
    criterion = table.column("criterion").to_numpy()[order]
    first = np.searchsorted(criterion, criterion, side="left")
    return table.take(pa.array(order[np.arange(len(order)) - first < depth]))


def to_candidates(table: pa.Table, criteria: int) -> Candidates:
    """Turn a shortlist with a row per document and criterion into one row per document."""
    ids = table.column("id").to_pylist()
    texts = dict(zip(ids, table.column("text").to_pylist(), strict=True))
    places = {key: i for i, key in enumerate(texts)}
    utility = np.full((len(texts), criteria), -np.inf)
    rows = np.asarray([places[key] for key in ids], np.int64)
    utility[rows, table.column("criterion").to_numpy()] = table.column("utility").to_numpy()
    return Candidates(list(texts), list(texts.values()), utility)
