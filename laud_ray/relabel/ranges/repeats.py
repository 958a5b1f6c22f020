"""Score texts that occur in several rows of the catalog only once, and let every range look up the results.

One scan finds the repeated texts. They are scored as separate ranges, and the answers are stored in files sorted by the
texts' MD5. A worker maps these files into memory, so that its lookups use memory that the operating system can reclaim.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from laud_ray.passes.summary import TOP
from laud_ray.relabel.inputs.carried import new_texts
from laud_ray.relabel.inputs.catalog import Catalog
from laud_ray.relabel.inputs.tables import repeated_texts
from laud_ray.relabel.sets import Sets
from laud_ray.storage.checksums import count, dump_json, parse_json
from laud_ray.storage.folder import Entry, Folder
from laud_ray.types import Floats, Indices

REPEATS, FOUND, ANSWERS, COUNTS = "repeats", "found.json", "answers", "counts"
Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int32]
_ANSWER = [("high", "<u8"), ("low", "<u8"), ("top", "<i4", (TOP,)), ("probability", "<f4", (TOP,))]
NOWHERE = -1


def find(catalog: Catalog, folder: Folder, size: int, carried: Folder | None = None) -> dict[str, int]:
    """Find the repeated texts, and write them to files of `size` texts, unless that is done already.

    Args:
        catalog: the catalog.
        folder: folder of the repeated texts.
        size: texts in a file.
        carried: folder of the scores that are carried over, whose rows do not count; None for none.

    Returns:
        file -> number of texts.
    """
    if not folder.exists(FOUND):
        sizes = {}
        cells = None if carried is None else new_texts(catalog, carried)
        for number, texts in enumerate(repeated_texts(catalog, size, cells)):
            name = f"texts-{number:05d}.parquet"
            folder.write_table(name, pa.table({"text": texts}))
            sizes[name] = len(texts)
        folder.write(FOUND, dump_json(sizes))
    place = f"{folder.uri}/{FOUND}"
    return parse_json(folder.read(FOUND), place, lambda found: {name: count(size) for name, size in found.items()})


def answer_name(texts: str) -> str:
    return texts.replace("texts-", "answers-").replace(".parquet", ".npy")


def write_count(folder: Folder, texts: str, scored: int, by_student: int) -> None:
    """Record how many texts of a file were scored, and how many of these the cascade's student answered."""
    (folder / COUNTS).write(f"{texts}.json", dump_json({"scored": scored, "by_student": by_student}))


def read_counts(folder: Folder) -> tuple[int, int]:
    """Return the number of texts scored, and of those answered by a student, over all files with answers."""
    committed = (folder / ANSWERS).names()
    counts = folder / COUNTS
    noted = [name for name in counts.names() if answer_name(name.removesuffix(".json")) in committed]
    found = [parse_json(counts.read(name), f"{counts.uri}/{name}", _counted) for name in noted]
    return sum(scored for scored, _ in found), sum(by_student for _, by_student in found)


def _counted(found: Any) -> tuple[int, int]:
    """Read the counts that `write_count` wrote; earlier versions wrote a list."""
    scored, by_student = found if isinstance(found, list) else (found["scored"], found["by_student"])
    return count(scored), count(by_student)


def keys(cells: Sequence[bytes]) -> Keys:
    """Return the (n, 2) halves of each text's MD5; the first half is what DuckDB's md5_number_upper returns."""
    digests = b"".join([hashlib.md5(cell, usedforsecurity=False).digest() for cell in cells])
    return np.frombuffer(digests, "<u8").reshape(-1, 2)


def write_answers(
    folder: Folder,
    name: str,
    found: Keys,
    top: Places,
    probability: Floats,
    confidences: Floats | None = None,
    sets: Sets | None = None,
) -> None:
    """Write the answers of n texts, sorted by key.

    Args:
        folder: folder of the answers.
        name: the file's name.
        found: (n, 2) keys of the texts.
        top: (n, t) their likeliest labels, as indices.
        probability: (n, t) the probabilities of these labels.
        confidences: (n, D) of a taxonomy, the probabilities on the path of the likeliest leaf.
        sets: of a multilabel task, the sets of labels.
    """
    path = [] if confidences is None else [("confidences", "<f4", (confidences.shape[1],))]
    chosen = [] if sets is None else _set_fields(sets.labels.shape[1])
    rows = np.zeros(len(found), np.dtype([*_ANSWER, *path, *chosen]))
    if confidences is not None:
        rows["confidences"] = confidences
    if sets is not None:
        for field in fields(sets):
            rows[f"set_{field.name}"] = getattr(sets, field.name)
    rows["high"], rows["low"] = found[:, 0], found[:, 1]
    rows["top"][:, : top.shape[1]], rows["probability"][:, : top.shape[1]] = top, probability
    rows = rows[np.argsort(rows["high"], kind="stable")]
    sink = io.BytesIO()
    np.save(sink, rows)
    folder.write(name, sink.getvalue())


def _set_fields(size: int) -> list[Any]:
    """Return the fields of a set of up to `size` labels."""
    of_labels = [("set_labels", "<i4", (size,)), ("set_probability", "<f4", (size,))]
    return [*of_labels, ("set_confidence", "<f4"), ("set_margin", "<f4")]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of all files. They are sorted by the first half of their keys, within and across files."""

    parts: tuple[npt.NDArray[np.void], ...]

    def look_up(self, wanted: Keys) -> tuple[Indices, Indices]:
        """Return the (n,) file and (n,) row of the answer of each of (n, 2) keys; -1 where there is none."""
        file, row = np.full(len(wanted), NOWHERE, np.int64), np.full(len(wanted), NOWHERE, np.int64)
        if not self.parts:
            return file, row
        lows = np.asarray([part["high"][0] for part in self.parts])
        owner = np.searchsorted(lows, wanted[:, 0], side="right") - 1
        for number in np.unique(owner[owner >= 0]):
            part = self.parts[number]
            rows = np.flatnonzero(owner == number)
            at = np.minimum(np.searchsorted(part["high"], wanted[rows, 0]), len(part) - 1)
            # If two texts share the first half of their key, the second one is not found and is scored again.
            same = (part["high"][at] == wanted[rows, 0]) & (part["low"][at] == wanted[rows, 1])
            file[rows[same]], row[rows[same]] = number, at[same]
        return file, row

    def take(self, file: Indices, row: Indices, top: int) -> tuple[Places, Floats]:
        """Return the (m, top) labels and (m, top) probabilities of m answers, given by (m,) file and (m,) row."""
        labels, probability = np.zeros((len(file), top), np.int32), np.zeros((len(file), top), np.float32)
        for number in np.unique(file):
            here = np.flatnonzero(file == number)
            found = self.parts[number][row[here]]
            labels[here], probability[here] = found["top"][:, :top], found["probability"][:, :top]
        return labels, probability

    def take_confidences(self, file: Indices, row: Indices, levels: int) -> Floats:
        """Return the (m, D) confidences of m answers in a taxonomy of D levels."""
        confidences = np.full((len(file), levels), np.nan, np.float32)
        for number in np.unique(file):
            here = np.flatnonzero(file == number)
            confidences[here] = self.parts[number][row[here]]["confidences"]
        return confidences

    def take_sets(self, file: Indices, row: Indices, size: int) -> Sets:
        """Return the sets of m answers of a multilabel model, of up to `size` labels."""
        sets = Sets.empty(len(file), size)
        for number in np.unique(file):
            here = np.flatnonzero(file == number)
            found = self.parts[number][row[here]]
            sets.put(here, Sets(*(found[f"set_{field.name}"] for field in fields(Sets))))
        return sets


def open_answers(folder: Folder) -> Answers:
    """Map the answers into memory, once per worker process. Call this only after all answers were written."""
    return _mapped(folder, tuple(folder.entries()))


@lru_cache(maxsize=2)
def _mapped(folder: Folder, entries: tuple[Entry, ...]) -> Answers:
    if not entries:  # all files were set aside
        return Answers(())
    local = folder.fetch("repeats")
    parts = [np.load(local / name, mmap_mode="r") for name in sorted(p.name for p in local.glob("answers-*.npy"))]
    return Answers(tuple(part for part in parts if len(part)))
