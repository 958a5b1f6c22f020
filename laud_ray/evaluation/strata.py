"""Strata of the corpus by the scores of passes, recorded so that they can be reproduced."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.corpus import Corpus
from laud_ray.data.range_files import side_by_side
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.types import Bools, Floats, Indices

# The setting of a run in which the cuts of its evaluation sample are stored.
CUTS = "evaluation strata"


@dataclass(frozen=True, slots=True)
class Cut:
    """One step of a stratification: each stratum is cut at edges of the scores of a round's pass.

    The new strata are numbered in the order of the old ones, and within each of these by rising score.

    Attributes:
        round: the round whose pass gives the scores.
        edges: for each old stratum the scores at which it is cut.
    """

    round: int
    edges: tuple[tuple[float, ...], ...]

    def divide(self, stratum: Indices, score: Floats) -> Indices:
        """Map (n,) strata before the cut to (n,) strata after it; a score on an edge lies above it."""
        found, first = np.zeros_like(stratum), 0
        for before, edges in enumerate(self.edges):
            rows = stratum == before
            found[rows] = first + np.searchsorted(np.asarray(edges), score[rows], side="right")
            first += len(edges) + 1
        return found

    @property
    def strata(self) -> int:
        """The number of strata after the cut."""
        return sum(len(edges) + 1 for edges in self.edges)


def dump_cuts(cuts: Sequence[Cut]) -> str:
    return json.dumps([{"round": cut.round, "edges": cut.edges} for cut in cuts])


def load_cuts(text: str | None) -> tuple[Cut, ...]:
    found = json.loads(text or "[]")
    return tuple(Cut(one["round"], tuple(tuple(edges) for edges in one["edges"])) for one in found)


@dataclass(frozen=True, slots=True)
class Part:
    """A range of the population.

    Attributes:
        usable: (n,) whether each document belongs to the population.
        stratum: (n,) stratum of each document.
        score: (n,) score of each document in the requested pass, in [0, 1].
    """

    name: str
    usable: Bools
    stratum: Indices
    score: Floats


@dataclass(frozen=True, slots=True)
class Population:
    """The documents that can be scored, and the cuts that define their strata.

    Attributes:
        passes: maps a round to the folder of its scores.
        positive: the label whose probability is the score. None: the score is the confidence of the likeliest label.
        without: ids of documents that are excluded. For duplicates this is the id of the first document with the text.
    """

    corpus: Corpus
    passes: Callable[[int], Folder]
    positive: str | None
    cuts: tuple[Cut, ...] = ()
    without: Collection[str] = ()

    @property
    def strata(self) -> int:
        return self.cuts[-1].strata if self.cuts else 1

    def parts(self, round: int) -> Iterator[Part]:
        """Yield the population range by range, with the scores of a round."""
        left_out = pa.array(list(self.without), pa.string())
        names = (part.name for part in self.corpus.ranges)
        yield from side_by_side(lambda name: self._part(round, name, left_out), names)

    def _part(self, round: int, name: str, left_out: pa.Array) -> Part:
        rounds = {round, *(cut.round for cut in self.cuts)}
        found = {number: self._scores(number, name) for number in rounds}
        usable, score = found[round]
        if len(left_out):
            ids = self.corpus.read(name, ["id", "duplicate_of"])
            asked_as = pc.coalesce(ids.column("duplicate_of"), ids.column("id"))
            usable = usable & ~np.asarray(pc.is_in(asked_as, value_set=left_out))
        stratum = np.zeros(len(score), np.int64)
        for cut in self.cuts:
            stratum = cut.divide(stratum, found[cut.round][1])
        return Part(name, usable, stratum, score)

    def _scores(self, round: int, name: str) -> tuple[Bools, Floats]:
        columns = ["confidence", "error"] if self.positive is None else ["label", "confidence", "error"]
        table = self.passes(round).read_table(name, columns)
        usable = np.asarray(table.column("error").is_null())
        confidence = np.nan_to_num(table.column("confidence").to_numpy())
        if self.positive is None:
            return usable, confidence
        is_positive = np.asarray(table.column("label").cast(pa.string()).fill_null("").to_numpy() == self.positive)
        return usable, np.where(is_positive | ~usable, confidence, 1 - confidence)


def merge_unanswered(drawn: Sequence[Sampled], answered: Sequence[Sampled]) -> tuple[Indices, dict[int, int]]:
    """Merge each stratum without answers into the nearest one with answers.

    Returns:
        The strata of the answered documents, and the sizes of the merged strata.
    """
    into, sizes = nearest_answered(drawn, answered), {one.stratum: one.stratum_size for one in drawn}
    merged = dict.fromkeys(sorted(set(into.values())), 0)
    for stratum, size in sizes.items():
        merged[into[stratum]] += size
    return np.asarray([one.stratum for one in answered], np.int64), merged


def nearest_answered(drawn: Sequence[Sampled], answered: Sequence[Sampled]) -> dict[int, int]:
    """Map each stratum to itself if it has answers, else to the nearest one that has."""
    known = sorted({one.stratum for one in answered})
    return {
        stratum: min(known, key=lambda other: (abs(other - stratum), other))
        for stratum in sorted({one.stratum for one in drawn})
    }
