"""What is near a confirmed document, among those that the zero-shot rankings lead to. n candidates, d dimensions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import zip_longest

import numpy as np

from laud_ray.steps.seed_walk import CANDIDATES
from laud_ray.store.store import Query
from laud_ray.types import Document, Floats


class Nearby:
    """Ranks candidates by their greatest cosine with a confirmed document; they are embedded once, when first needed.

    The candidates are the heads of all rankings together, the first of each first, at most `most`. Which they are and
    how they are embedded depends on the rankings alone, so that a restart ranks alike.

    Args:
        embed: maps n texts to (n, d) unit vectors.
    """

    def __init__(
        self,
        rankings: Sequence[Sequence[Query]],
        embed: Callable[[Sequence[str]], Floats],
        most: int = CANDIDATES,
    ) -> None:
        together = {q.document.id: q for place in zip_longest(*rankings) for q in place if q is not None}
        self._candidates, self._embed = list(together.values())[:most], embed

    def ranking(self, name: str, confirmed: Sequence[Document]) -> Iterator[Query]:
        """Yield the candidates, the nearest to any of those confirmed as `name` first, and among them those as well."""
        if not confirmed or not self._candidates:
            return
        known = {q.document.id: i for i, q in enumerate(self._candidates)}
        rows = [known[one.id] for one in confirmed if one.id in known]
        others = [one.text for one in confirmed if one.id not in known]
        anchors = self._vectors[rows]
        if others:
            anchors = np.concatenate([anchors, self._embed(others)])
        similarity = (self._vectors @ anchors.T).max(axis=1)
        for i in np.argsort(-similarity, kind="stable"):
            reason = f"near a confirmed {name} ({similarity[i]:.2f})"
            yield replace(self._candidates[i], reason=reason, sought=name, walk="nearness")

    @cached_property
    def _vectors(self) -> Floats:
        return self._embed([q.document.text for q in self._candidates])
