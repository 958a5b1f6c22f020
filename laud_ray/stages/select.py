"""Choose the documents of a round's queries from the shortlist that its score pass left."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from laud_ray.query.near import NearDuplicates
from laud_ray.shortlists import to_candidates
from laud_ray.store import Query
from laud_ray.types import Document, QueryStrategy

# So many candidates for each query, so that near-duplicates can be passed over.
SPARE = 4


def shortlist_depth(batch: int) -> int:
    """How many documents a pass must shortlist by each criterion."""
    return SPARE * batch + 50


def select(
    strategy: QueryStrategy,
    name: str,
    shortlist: pa.Table,
    asked: Iterable[str],
    n: int,
    *,
    criteria: int,
    rng: np.random.Generator,
) -> list[Query]:
    """Pick at most n documents, best first, passing over near-duplicates of each other and of `asked`.

    When passing over leaves fewer than n, near-duplicates fill the rest.
    """
    pool = to_candidates(shortlist, criteria)
    picked = strategy.pick(pool, min(SPARE * n, len(pool)), rng=rng)
    seen = NearDuplicates(asked)
    fresh: list[int] = []
    near: list[int] = []
    for i in picked:
        if len(fresh) == n:
            break
        (near if pool.texts[i] in seen else fresh).append(int(i))
        seen.add(pool.texts[i])
    rows = {row["id"]: row for row in shortlist.to_pylist()}
    return [_query(rows[pool.ids[i]], name) for i in [*fresh, *near][:n]]


def _query(row: dict[str, object], name: str) -> Query:
    labels, proba = row["top_labels"], row["top_probabilities"]
    assert isinstance(labels, list)
    assert isinstance(proba, list)
    return Query(
        Document(str(row["id"]), str(row["text"])),
        f"{name}: {labels[0]} {proba[0]:.2f} or {labels[1]} {proba[1]:.2f}",
        labels[0],
        proba[0],
    )
