"""Pick the documents of a round's queries from the shortlist of its score pass."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.near_duplicates import NearDuplicates
from laud_ray.passes.shortlists import predicted_in
from laud_ray.store.store import Query
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Candidates, Document, Indices, QueryStrategy

# Candidates for each query, so that near-duplicates can be skipped.
SPARE = 4
# The most times that a spatial strategy picks, the first time included, to replace skipped near-duplicates.
TURNS = 4
# The likeliest labels that the reason of a query names in a multilabel task.
LISTED = 3


def shortlist_depth(batch: int, *, reach: int = 0, criteria: int = 1, cap: int | None = None) -> int:
    """Return how many documents a pass must shortlist by each criterion.

    Args:
        batch: queries per round.
        reach: candidates for each query that a spatial strategy needs; 0 for other strategies.
        criteria: columns of the strategy's utilities.
        cap: the most candidates of a spatial strategy, over all criteria.
    """
    plain = SPARE * batch + 50
    if not reach:
        return plain
    wanted = max(plain, reach * batch)
    return wanted if cap is None else min(wanted, max(cap // criteria, 1))


def select(
    strategy: QueryStrategy,
    name: str,
    shortlist: pa.Table,
    pool: Candidates,
    asked: Iterable[str],
    n: int,
    *,
    rng: np.random.Generator,
    taxonomy: Taxonomy | None = None,
) -> list[Query]:
    """Pick at most n documents, best first, without near-duplicates of each other and of `asked`.

    If fewer than n are left, near-duplicates fill the rest.

    Args:
        name: of the strategy, for the reasons of the queries.
        pool: the shortlist as candidates (`to_candidates`), with a space if the strategy uses embeddings.
        asked: the texts of earlier queries.
        taxonomy: whose leaves the labels are, so that the reasons say at which level the model is unsure.
    """
    if not len(pool):
        return []
    seen = NearDuplicates(asked)
    choose = _spared if pool.space is None else _fresh_first
    fresh, near = choose(strategy, pool, seen, n, rng)
    places = pc.index_in(
        pa.array([pool.ids[i] for i in [*fresh, *near][:n]], pa.string()), value_set=shortlist.column("id")
    )
    return [_query(row, name, taxonomy) for row in shortlist.take(places).to_pylist()]


Chosen: TypeAlias = tuple[list[int], list[int]]  # rows of the pool: new texts, and near-duplicates


def _spared(
    strategy: QueryStrategy, pool: Candidates, seen: NearDuplicates, n: int, rng: np.random.Generator
) -> Chosen:
    """Pick more than n at once, best first, so that near-duplicates can be skipped."""
    fresh: list[int] = []
    near: list[int] = []
    for i in strategy.pick(pool, min(SPARE * n, len(pool)), rng=rng).tolist():
        if len(fresh) == n:
            break
        (near if pool.texts[i] in seen else fresh).append(i)
        seen.add(pool.texts[i])
    return fresh, near


def _fresh_first(
    strategy: QueryStrategy, pool: Candidates, seen: NearDuplicates, n: int, rng: np.random.Generator
) -> Chosen:
    """Pick n, and pick again to replace near-duplicates.

    A spatial strategy that is asked for more documents at once would spread them differently.
    """
    fresh: list[int] = []
    near: list[int] = []
    left = np.arange(len(pool))
    for turn in range(TURNS):
        wanted = (n - len(fresh)) * (SPARE if turn else 1)
        picked = left[strategy.pick(_without(pool, left, fresh), min(wanted, len(left)), rng=rng)]
        for i in picked.tolist():
            if len(fresh) == n:
                break
            (near if pool.texts[i] in seen else fresh).append(i)
            seen.add(pool.texts[i])
        left = np.setdiff1d(left, picked)
        if len(fresh) == n or not len(left):
            break
    return fresh, near


def _without(pool: Candidates, left: Indices, picked: Sequence[int]) -> Candidates:
    """Return the remaining candidates; the picked ones count as annotated with the labels that the model predicts."""
    rest = pool.take(left)
    if pool.space is None or rest.space is None or not picked:
        return rest
    space = pool.space.take(np.asarray(picked, np.int64))
    grown = replace(
        rest.space,
        known_vectors=np.concatenate([rest.space.known_vectors, space.vectors]),
        known_proba=np.concatenate([rest.space.known_proba, space.proba]),
        known_labels=np.concatenate([rest.space.known_labels, space.proba.argmax(1)]),
    )
    return replace(rest, space=grown)


def _query(row: dict[str, Any], name: str, taxonomy: Taxonomy | None) -> Query:
    labels, proba = row["top_labels"], row["top_probabilities"]
    if "labels" in row:
        likeliest = zip(labels[:LISTED], proba[:LISTED], strict=True)
        why = ", ".join(f"{label} {p:.2f}" for label, p in likeliest)
    else:
        why = _between(labels[:2], proba[:2], taxonomy)
    return Query(Document(row["id"], row["text"]), f"{name}: {why}", *predicted_in(row))


def _between(labels: Sequence[str], proba: Sequence[float], taxonomy: Taxonomy | None) -> str:
    """Say which two labels are the likeliest, and of two leaves in which branch both are.

    Example:
        "Tea 0.52 or Coffee 0.31, both in Food > Drinks"
    """
    shared, branch = 0, ""
    if taxonomy is not None:
        one, other = (taxonomy.find(label) for label in labels)
        assert one is not None
        assert other is not None
        shared = int(taxonomy.shared_depth([one], [other])[0])
        branch = taxonomy.separator.join(taxonomy.nodes[one].path[:shared])
        labels = [taxonomy.separator.join(taxonomy.nodes[node].path[shared:]) for node in (one, other)]
    said = " or ".join(f"{label} {p:.2f}" for label, p in zip(labels, proba, strict=True))
    return f"{said}, both in {branch}" if shared else said
