"""Texts that stand in several rows of the whole catalog: scored once, looked up by every range.

They are found by one scan, scored as ranges of their own, and kept in files sorted by the texts' MD5. A worker maps
these files into memory, so that its lookups cost pages that the operating system may take back.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from laud_ray.passes.scoring import TOP
from laud_ray.relabel.inputs.catalog import Catalog
from laud_ray.relabel.inputs.tables import repeated_texts
from laud_ray.storage.checksums import count, dump_json, parse_json
from laud_ray.storage.folder import Entry, Folder
from laud_ray.types import Floats, Indices

REPEATS, FOUND, ANSWERS, COUNTS = "repeats", "found.json", "answers", "counts"
Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int32]
_ANSWER = np.dtype([("high", "<u8"), ("low", "<u8"), ("top", "<i4", (TOP,)), ("probability", "<f4", (TOP,))])
NOWHERE = -1


def find(catalog: Catalog, folder: Folder, size: int) -> dict[str, int]:
    """Find the repeated texts, and write them in files of `size`; return the files with their texts. Done, it stays."""
    if not folder.exists(FOUND):
        sizes = {}
        for number, texts in enumerate(repeated_texts(catalog, size)):
            name = f"texts-{number:05d}.parquet"
            folder.write_table(name, pa.table({"text": texts}))
            sizes[name] = len(texts)
        folder.write(FOUND, dump_json(sizes))
    place = f"{folder.uri}/{FOUND}"
    return parse_json(folder.read(FOUND), place, lambda found: {name: count(size) for name, size in found.items()})


def answer_name(texts: str) -> str:
    return texts.replace("texts-", "answers-").replace(".parquet", ".npy")


def write_count(folder: Folder, texts: str, scored: int, by_student: int) -> None:
    """Note how many texts of a file were scored, and how many of these a cascade's student answered."""
    (folder / COUNTS).write(f"{texts}.json", dump_json({"scored": scored, "by_student": by_student}))


def read_counts(folder: Folder) -> tuple[int, int]:
    """Texts that were scored, and those of them that a student answered, over all files that have answers."""
    committed = (folder / ANSWERS).names()
    counts = folder / COUNTS
    noted = [name for name in counts.names() if answer_name(name.removesuffix(".json")) in committed]
    found = [parse_json(counts.read(name), f"{counts.uri}/{name}", _counted) for name in noted]
    return sum(scored for scored, _ in found), sum(by_student for _, by_student in found)


def _counted(found: Any) -> tuple[int, int]:
    """Read a note of `write_count`; earlier versions wrote a list."""
    scored, by_student = found if isinstance(found, list) else (found["scored"], found["by_student"])
    return count(scored), count(by_student)


def keys(cells: Sequence[bytes]) -> Keys:
    """Return (n, 2) halves of each text's MD5; the first is DuckDB's md5_number_upper."""
    digests = b"".join([hashlib.md5(cell, usedforsecurity=False).digest() for cell in cells])
    return np.frombuffer(digests, "<u8").reshape(-1, 2)


def write_answers(folder: Folder, name: str, found: Keys, top: Places, probability: Floats) -> None:
    """Write the (n, t) likeliest labels of texts, in the order of the keys; what was not scored is left out."""
    rows = np.zeros(len(found), _ANSWER)
    rows["high"], rows["low"] = found[:, 0], found[:, 1]
    rows["top"][:, : top.shape[1]], rows["probability"][:, : top.shape[1]] = top, probability
    rows = rows[np.argsort(rows["high"], kind="stable")]
    sink = io.BytesIO()
    np.save(sink, rows)
    folder.write(name, sink.getvalue())


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of some files, each sorted by the first half of its keys; the files follow one another."""

    parts: tuple[npt.NDArray[np.void], ...]

    def look_up(self, wanted: Keys) -> tuple[Indices, Indices]:
        """Return for each of (n, 2) keys the file and the row of its answer; -1 where there is none."""
        file, row = np.full(len(wanted), NOWHERE, np.int64), np.full(len(wanted), NOWHERE, np.int64)
        if not self.parts:
            return file, row
        lows = np.asarray([part["high"][0] for part in self.parts])
        owner = np.searchsorted(lows, wanted[:, 0], side="right") - 1
        for number in np.unique(owner[owner >= 0]):
            part = self.parts[number]
            rows = np.flatnonzero(owner == number)
            at = np.minimum(np.searchsorted(part["high"], wanted[rows, 0]), len(part) - 1)
            # Two texts with the same first half: the second one is not found, and so scored again.
            same = (part["high"][at] == wanted[rows, 0]) & (part["low"][at] == wanted[rows, 1])
            file[rows[same]], row[rows[same]] = number, at[same]
        return file, row

    def take(self, file: Indices, row: Indices, top: int) -> tuple[Places, Floats]:
        """Return the (m, top) labels and probabilities of m answers that were found."""
        labels, probability = np.zeros((len(file), top), np.int32), np.zeros((len(file), top), np.float32)
        for number in np.unique(file):
            here = np.flatnonzero(file == number)
            found = self.parts[number][row[here]]
            labels[here], probability[here] = found["top"][:, :top], found["probability"][:, :top]
        return labels, probability


def open_answers(folder: Folder) -> Answers:
    """Map the answers into memory, once in each worker process; only to be called when all are there."""
    return _mapped(folder, tuple(folder.entries()))


@lru_cache(maxsize=2)
def _mapped(folder: Folder, entries: tuple[Entry, ...]) -> Answers:
    if not entries:  # all were given up
        return Answers(())
    local = folder.fetch("repeats")
    parts = [np.load(local / name, mmap_mode="r") for name in sorted(p.name for p in local.glob("answers-*.npy"))]
    return Answers(tuple(part for part in parts if len(part)))
