"""Flip random bits in the files of a finished run, and check whether its readers notice.

    python benchmarks/bit_flips.py runs/demo --flips 2000

One bit is flipped at a time, in a copy of the run, and equally often in each kind of file. Then all readers of a run
read it: status and report, every range of the corpus, of the scores and of the shortlists, and every model with its
predictions. A flip is *noticed* if a reader raises an error or logs a note about the change, *without effect* if all
results are as before, and *other data* otherwise, which must not happen. report.html is left out, since only people
read it.
"""

import argparse
import hashlib
import io
import logging
import os
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa

from laud_ray.data import corpus as corpora
from laud_ray.errors import LaudError
from laud_ray.models import kinds as models
from laud_ray.passes import run as passes
from laud_ray.passes.shortlists import SHORTLIST
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.read import read, read_models
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import describe
from laud_ray.store import run as run_folder
from laud_ray.store.database import opening
from laud_ray.store.run import RunFolder, look_at

TEXTS = ("green tea", "washing powder 2 kg", "PIZZA FUNGHI")
UNREAD = ("report.html", ".lock")


def kind_of(path: str) -> str:
    """Return the kind of a file by its path within the run."""
    name = path.rpartition("/")[2]
    if "/" not in path:
        return name
    if path.startswith("models/"):
        return "model.json" if name == "model.json" else "weights"
    if name.endswith(".json"):
        return "corpus.json, pass.json"
    return "sealed labels" if "sealed" in path else "shortlists" if SHORTLIST in path else path.split("/")[0]


def version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


def digest(place: Folder, name: str) -> str:
    """Return a digest of a table as its reader returns it; it is cached for files that did not change."""
    return _digest(place, name, version(Path(place.uri, name)))


@cache
def _digest(place: Folder, name: str, _version: tuple[int, int]) -> str:
    table, sink = place.read_table(name).combine_chunks(), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def seen(place: Path, *, with_models: bool) -> dict[str, object]:
    """Return the results of all readers of a run."""
    found: dict[str, object] = {}
    with look_at(str(place)) as run:
        summary = to_json(read(run))
        found |= {"status": summary, "models": read_models(run), "config": run.config.dump()}
        found |= {"queries": run.store.queries(), "sample": run.store.sample("evaluation")}
        found |= {"timings": run.store.timings()}
        found |= dict(tables_of(run))
        if with_models:
            found |= dict(answers_of(place / "models"))
    return found


def tables_of(run: RunFolder) -> Iterator[tuple[str, object]]:
    """Return digests of every range of the corpus, of its labels, and of each pass with its shortlist."""
    corpus = corpora.open_corpus(run.corpus)
    assert corpus is not None
    yield "corpus", (corpus.ranges, dict(corpus.counts), corpus.fingerprint, corpus.notes)
    yield "sealed labels", corpora.sealed_labels(corpus)
    for result in [None, *run.store.history()]:
        number = 0 if result is None else result.number
        scores = run.scores(number)
        if not scores.exists(passes.DESCRIPTION):
            continue
        passes._claim(scores, {"model": run.model_name(number), "corpus": corpus.fingerprint})
        for place in (scores, scores / SHORTLIST):
            for name in sorted(one for one in place.names() if one.endswith(".parquet")):
                yield f"{place.uri}/{name}", digest(place, name)
    for place in (run.corpus, run.corpus / "sealed"):
        for name in sorted(one for one in place.names() if one.endswith(".parquet")):
            yield f"{place.uri}/{name}", digest(place, name)


def answers_of(place: Path) -> Iterator[tuple[str, object]]:
    """Return the description of every model, and its probabilities for some texts."""
    for folder in sorted(one for one in place.iterdir() if one.is_dir()):
        yield folder.name, _answers(folder, tuple(version(file) for file in sorted(folder.rglob("*"))))


@cache
def _answers(folder: Path, _versions: tuple[tuple[int, int], ...]) -> object:
    description = describe(str(folder))[1]
    probabilities = models.load(str(folder)).score(list(TEXTS))
    return sorted(description.items()), [[float(p) for p in row] for row in probabilities]


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """Replace a file temporarily by a new file with one bit flipped, as if it were a restored copy."""
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    put(path, bytes(changed))
    try:
        yield
    finally:
        put(path, whole)


def put(path: Path, data: bytes) -> None:
    other = path.with_name(f"{path.name}.new")
    other.write_bytes(data)
    os.replace(other, path)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


class Notes(logging.Handler):
    """Collects what the readers of a run log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def outcome(place: Path, path: str, was: dict[str, object], notes: Notes) -> tuple[str, str]:
    """Compare the readers' results with those before the flip; return the outcome, and what they reported."""
    notes.lines.clear()
    run_folder._note.cache_clear()
    opening._checked.clear()
    try:
        found = seen(place, with_models=path.startswith("models/"))
    except (LaudError, pa.ArrowException, OSError) as error:
        return "noticed", str(error).partition("\n")[0]
    except Exception as error:  # noqa: BLE001 - the flip was noticed, but not as an error in one line
        return "noticed, with a traceback", repr(error)[:200]
    if notes.lines:
        return "noticed", notes.lines[0]
    changed = [key for key, value in found.items() if repr(value) != repr(was[key])]
    return ("other data", f"{path}: {', '.join(changed)}") if changed else ("without effect", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", help="flip bits in this kind of file only")
    options = parser.parse_args()
    rng, notes = random.Random(options.seed), Notes()
    logging.getLogger("laud_ray").addHandler(notes)
    logging.getLogger("laud_ray").propagate = False
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "run"
        shutil.copytree(options.run, place)
        was = seen(place, with_models=True)
        assert not notes.lines, notes.lines
        kinds: dict[str, list[str]] = defaultdict(list)
        for entry in Folder(str(place)).entries(recursive=True):
            kind = kind_of(entry.path)
            if entry.path not in UNREAD and entry.size and options.kind in (None, kind):
                kinds[kind].append(entry.path)
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for i in range(options.flips):
            kind = sorted(kinds)[i % len(kinds)]
            path = rng.choice(kinds[kind])
            with flipped(place / path, rng.randrange(8 * (place / path).stat().st_size)):
                result, said = outcome(place, path, was, notes)
            counts[kind][result] += 1
            if result not in ("noticed", "without effect"):
                print(f"{result}: {path}: {said}")
        report(counts)


def report(counts: dict[str, Counter[str]]) -> None:
    results = ("noticed", "without effect", "noticed, with a traceback", "other data")
    total = sum(counts.values(), Counter[str]())
    print(f"{'kind of file':26}" + "".join(f"{name:>27}" for name in results))
    for kind, found in [*sorted(counts.items()), ("all", total)]:
        print(f"{kind:26}" + "".join(f"{found[name]:27,}" for name in results))


if __name__ == "__main__":
    main()
