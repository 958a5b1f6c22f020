"""Number the labels of two outputs, or their sets of labels."""

from collections.abc import Sequence
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.compare.label_lists import texts_of
from laud_ray.texts import normalise_text

# The code of a document without a label. In the queries, NULL means that the document is not in the output.
WITHOUT_LABEL = -1


class Codes:
    """Assigns numbers to normalised labels, in the order of their first appearance. Safe to share between threads."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._lock = Lock()

    @property
    def names(self) -> list[str]:
        return list(self._numbers)

    def of(self, labels: pa.Array) -> pa.Array:
        """Map n labels to (n,) int32 numbers; null and empty labels become WITHOUT_LABEL."""
        if not pa.types.is_dictionary(labels.type):
            labels = pc.cast(labels, pa.string()).dictionary_encode()
        read = (
            None if one is None else normalise_text(one) for one in pc.cast(labels.dictionary, pa.string()).to_pylist()
        )
        return self._numbered(labels.indices, [one or None for one in read])

    def of_sets(self, lists: pa.Array) -> pa.Array:
        """Map n lists of labels to (n,) int32 numbers of their sets; null lists become WITHOUT_LABEL."""
        sets = texts_of(lists)
        return self._numbered(sets.indices, sets.dictionary.to_pylist())

    def _numbered(self, places: pa.Array, values: Sequence[str | None]) -> pa.Array:
        with self._lock:
            known = [WITHOUT_LABEL if v is None else self._numbers.setdefault(v, len(self._numbers)) for v in values]
        at = pc.fill_null(places, len(known)).to_numpy().astype(np.int64)
        return pa.array(np.asarray([*known, WITHOUT_LABEL], np.int32)[at])
