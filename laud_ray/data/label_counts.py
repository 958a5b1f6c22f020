"""Count the labels of a column, and the texts that have contradictory labels, in bounded memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from laud_ray.data.sharding.buckets import digest_of
from laud_ray.storage.checksums import dump_json, parse_json

MOST_LABELS = 10_000
MOST_NODES = 100_000  # of a taxonomy
MOST_PAIRS = 20_000_000
_AT_ONCE = 1_000_000
_PAIR = np.dtype([("text", "<u8"), ("label", "<i8")])


@dataclass(slots=True)
class LabelCounts:
    """Numbers of rows by label.

    Attributes:
        most: number of labels that are counted separately.
        counts: label -> rows, for the first `most` labels.
        others: rows with any other label.
    """

    most: int = MOST_LABELS
    counts: Counter[str] = field(default_factory=Counter)
    others: int = 0

    def add(self, labels: Sequence[str] | Mapping[str, int]) -> None:
        """Add the labels of rows, or a mapping from labels to numbers of rows."""
        for label, rows in Counter(labels).items():
            if label in self.counts or len(self.counts) < self.most:
                self.counts[label] += rows
            else:
                self.others += rows

    @property
    def rows(self) -> int:
        return self.counts.total() + self.others


class TwoLabels:
    """Counts texts with more than one label.

    It holds the distinct pairs of a text's hash and a label, up to `most` of them. Beyond that, `whole` is False and
    the count is a lower bound.
    """

    def __init__(self, most: int = MOST_PAIRS) -> None:
        self._most, self.whole = most, True
        self._labels: dict[str, int] = {}
        self._held = np.empty(0, _PAIR)
        self._new: list[npt.NDArray[np.void]] = []
        self._waiting = 0

    def add(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        """Add n normalised texts with their n labels."""
        if not self.whole:
            return
        pairs = np.empty(len(texts), _PAIR)
        pairs["text"] = np.frombuffer(b"".join(digest_of(text.encode("utf-8", "replace"))[:8] for text in texts), "<u8")
        pairs["label"] = [self._labels.setdefault(label, len(self._labels)) for label in labels]
        self._new.append(pairs)
        self._waiting += len(pairs)
        if self._waiting >= _AT_ONCE:
            self._join()

    def count(self) -> int:
        """Return the number of texts with two or more labels."""
        self._join()
        _, times = np.unique(self._held["text"], return_counts=True)
        return int((times > 1).sum())

    def _join(self) -> None:
        self._held = np.unique(np.concatenate([self._held, *self._new]))
        self._new, self._waiting = [], 0
        self.whole = len(self._held) < self._most


@dataclass(frozen=True, slots=True)
class ColumnLabels:
    """Counts of a column of labels.

    Attributes:
        counts: label -> rows. In a multilabel task a row with several labels is counted at each of them.
        others: rows with labels beyond those that are counted separately.
        missing: rows without an answer.
        two_labels: texts with two or more different labels, or different sets of labels in a multilabel task.
        empty: rows whose answer is that no label applies; only in a multilabel task.
    """

    counts: Mapping[str, int]
    others: int
    missing: int
    two_labels: int
    empty: int = 0

    def dump(self) -> bytes:
        return dump_json(asdict(self))


def load_labels(data: bytes, place: str) -> ColumnLabels:
    """Read the bytes that `dump` returned; `place` names the file for errors.

    Raises:
        DamageError: if they are damaged.
    """
    return parse_json(data, place, lambda found: ColumnLabels(**found))


class SortedLabels:
    """Counts the labels of documents that are sorted so that equal texts are adjacent."""

    def __init__(
        self,
        class_of: Callable[[str], str],
        most: int = MOST_LABELS,
        labels_of: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        """Create empty counts.

        Args:
            class_of: maps a label to its class. Two labels of one class do not contradict each other.
            most: number of labels that are counted separately.
            labels_of: maps a set of labels to its labels, in a multilabel task; None elsewhere.
        """
        self._class_of, self._counts, self._labels_of = class_of, LabelCounts(most), labels_of
        self._found: dict[str, str] = {}
        self._missing = self._two = self._empty = 0
        self._classes: set[str] = set()

    def add(self, documents: Iterable[tuple[bool, str | None]]) -> None:
        """Add documents: for each, whether it has the same text as the previous one, and its label."""
        labels: Counter[str] = Counter()
        for again, label in documents:
            if not again:
                self._classes = set()
            if label is None:
                self._missing += 1
                continue
            labels[label] += 1
            before = len(self._classes)
            if label not in self._found:
                self._found[label] = self._class_of(label)
            self._classes.add(self._found[label])
            self._two += before == 1 and len(self._classes) == 2
        self._counts.add(labels if self._labels_of is None else self._each(labels, self._labels_of))

    def _each(self, sets: Mapping[str, int], labels_of: Callable[[str], Sequence[str]]) -> Counter[str]:
        """Return the rows of each label in sets of labels."""
        found: Counter[str] = Counter()
        for value, rows in sets.items():
            names = labels_of(value)
            self._empty += 0 if names else rows
            for name in names:
                found[name] += rows
        return found

    def __getstate__(self) -> dict[str, object]:
        """Leave out the classes, which may be tens of thousands: counts that a worker returns are only merged."""
        return {**self.__dict__, "_class_of": str, "_labels_of": None, "_found": {}, "_classes": set()}

    def merge(self, other: "SortedLabels") -> None:
        """Add counts of other texts."""
        self._counts.add(other._counts.counts)
        self._counts.others += other._counts.others
        self._missing += other._missing
        self._two += other._two
        self._empty += other._empty

    def found(self) -> ColumnLabels:
        return ColumnLabels(dict(self._counts.counts), self._counts.others, self._missing, self._two, self._empty)
