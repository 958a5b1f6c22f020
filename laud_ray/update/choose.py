"""Choose which new documents to ask about: at random for evaluation, and by novelty and doubt to learn from."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.range_files import random_of
from laud_ray.evaluation import draw
from laud_ray.evaluation.strata import Population
from laud_ray.stats import allocate
from laud_ray.steps.work import Work
from laud_ray.store.store import Query, Sampled
from laud_ray.store.updates.evidence import Base
from laud_ray.types import Document
from laud_ray.update import novelty
from laud_ray.update.open_run import Current

# The parts of an update's questions: at random, and of the others, those about novel documents.
AT_RANDOM, NOVEL = 0.5, 0.5


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A new document that may be asked about.

    Attributes:
        key: at random in [0, 1), always the same for a document.
        margin: of the two likeliest labels, in [0, 1].
        novelty: its distance from all that is known.
    """

    key: float
    document: Document
    label: str
    confidence: float
    margin: float
    novelty: float


def draw_at_random(work: Work, current: Current, numbers: Sequence[int], n: int) -> list[Sampled]:
    """Draw about n documents of generations, each of which is a stratum of its own, in proportion to their sizes."""
    parts = [work.corpus.of_generation(number) for number in numbers]
    sizes = np.array([part.pool_size for part in parts], np.int64)
    shares = allocate(sizes, np.ones(len(sizes)), min(n, int(sizes.sum())), taken=np.zeros(len(sizes), np.int64))
    first = max((one.stratum for one in work.store.sample("evaluation")), default=-1) + 1
    found: list[Sampled] = []
    for i, (number, part) in enumerate(zip(numbers, parts, strict=True)):
        everything = Population(part, work.run.scores, None)
        seed = (work.config.seed, 6, number)
        drawn = draw.draw(everything, int(shares[i]), seed=seed, round=current.round)
        found += [replace(one, stratum=first + i) for one in drawn]
    return found


def choose(
    work: Work, current: Current, base: Base, numbers: Sequence[int], n: int, without: Collection[str]
) -> list[Query]:
    """Choose at most n documents: novel ones at random, and those with the smallest margin.

    Args:
        work: the run.
        current: the model that scored them.
        base: what the generations were compared with.
        numbers: the generations to choose from.
        n: how many.
        without: ids of documents that may not be asked about.
    """
    threshold = novelty.threshold_of(work, base)
    far: list[_Candidate] = []
    doubtful: list[_Candidate] = []
    for some in _candidates(work, current, base, numbers, without):
        far = sorted([*far, *(one for one in some if one.novelty > threshold)], key=lambda one: one.key)[:n]
        doubtful = sorted([*doubtful, *some], key=lambda one: (one.margin, one.key))[:n]
    chosen = {one.document.id: _query(one, far=True) for one in far[: round(NOVEL * n)]}
    for one in doubtful:
        if len(chosen) < n:
            chosen.setdefault(one.document.id, _query(one, far=False))
    return list(chosen.values())


def _query(one: _Candidate, *, far: bool) -> Query:
    reason = f"is far from all that is known ({one.novelty:.2f})" if far else f"the margin is {one.margin:.2f}"
    return Query(one.document, reason, one.label, one.confidence)


def _candidates(
    work: Work, current: Current, base: Base, numbers: Sequence[int], without: Collection[str]
) -> Iterator[list[_Candidate]]:
    """Yield the documents range by range: the first one with each text."""
    never, far = pa.array(list(without), pa.string()), novelty.folder_of(work, base)
    scores = work.run.scores(current.round)
    for number in numbers:
        for part in work.corpus.of_generation(number).ranges:
            table = work.corpus.read(part.name, ["id", "text", "duplicate_of"])
            told = scores.read_table(part.name, ["label", "confidence", "margin"])
            for name in told.column_names:
                table = table.append_column(name, told.column(name))
            table = table.append_column("novelty", far.read_table(part.name).column("novelty"))
            keys = random_of(part.name, (work.config.seed, 7)).random(table.num_rows)
            table = table.append_column("key", pa.array(keys))
            first = pc.and_(pc.is_null(table.column("duplicate_of")), pc.is_valid(table.column("label")))
            kept = pc.and_(first, pc.invert(pc.is_in(table.column("id"), value_set=never)))
            yield [
                _Candidate(
                    row["key"],
                    Document(row["id"], row["text"]),
                    row["label"],
                    row["confidence"],
                    row["margin"],
                    row["novelty"] or 0.0,
                )
                for row in table.filter(kept).to_pylist()
            ]
