"""Notice that a column holds sets of labels: lists, or texts such as "Tea; Milk" whose parts recur across cells."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from laud_ray.data.label_counts import LabelCounts
from laud_ray.label_cells import SEPARATORS, parts_of

# The thresholds below were set on joined lists of labels, and on columns of labels, names, texts, dates and paths; see
# the tests. The first 20,000 different cells are examined.
EXAMINED = 20_000
LEAST_SETS = 2
# Of the parts of sets: those that stand in another cell too, and of the later ones those that lead another cell.
LEAST_RECURRING = 0.9
LEAST_LEADING = 0.7
LEAST_DISTINCT = 0.95
LONGEST_NAME = 80
# A limit on the labels of a document is believed if, without it, at least this many documents were expected beyond it.
LEAST_BEYOND = 10
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|www\.", re.IGNORECASE)
_NUMBER = re.compile(r"[\d.,\s]+")


@dataclass(slots=True)
class FoundSets:
    """Counts the labels of sets.

    Attributes:
        counts: label -> documents.
        sizes: number of labels -> documents.
    """

    counts: LabelCounts = field(default_factory=LabelCounts)
    sizes: Counter[int] = field(default_factory=Counter)

    def add(self, labels: Iterable[str], rows: int = 1) -> None:
        """Add a set of labels of a number of documents."""
        distinct = dict.fromkeys(labels, rows)
        self.counts.add(distinct)
        self.sizes[len(distinct)] += rows

    @property
    def largest(self) -> int:
        return max(self.sizes, default=0)

    @property
    def mean(self) -> float:
        """Mean number of labels of a document."""
        return sum(size * rows for size, rows in self.sizes.items()) / max(1, self.sizes.total())

    def at_most(self) -> int | None:
        """Return the number of labels that no document exceeds, if that is no coincidence; else None.

        It is one if the numbers of documents do not fall off: where a third of the documents with n - 1 labels have n,
        a third of these would have n + 1.
        """
        most = self.largest
        if not 1 <= most < len(self.counts.counts) or not self.sizes[most - 1]:
            return None
        beyond = self.sizes[most] * min(1.0, self.sizes[most] / self.sizes[most - 1])
        return most if beyond >= LEAST_BEYOND else None


def separator_of(cells: Mapping[str, int]) -> str | None:
    """Return the separator, if cells are texts of several labels; else None.

    The parts decide. Labels of sets recur in other cells, also at the beginning of one or alone; the parts of a label
    that has commas in it do not, and neither do the lower levels of a path.

    Args:
        cells: normalised cell -> rows.

    Example:
        >>> separator_of({"Tea; Milk": 3, "Milk": 9, "Bread; Tea": 1, "Bread; Milk": 1, "Tea": 2})
        ';'
        >>> separator_of({"Milk, whole": 3, "Milk, skimmed": 9, "Bread, white": 1, "Bread, whole": 1})
    """
    distinct = list(cells)[:EXAMINED]
    return next((one for one in SEPARATORS if _are_sets(distinct, one)), None)


def _are_sets(cells: list[str], separator: str) -> bool:
    split = [parts_of(cell, separator) or () for cell in cells]
    sets = [parts for parts in split if len(parts) > 1]
    if len(sets) < LEAST_SETS or any(_ADDRESS.match(cell) for cell in cells):
        return False
    holders = Counter(part for parts in split for part in dict.fromkeys(parts))
    leading = {parts[0] for parts in split if parts}
    every = [part for parts in sets for part in parts]
    later = [part for parts in sets for part in parts[1:]]
    numbers = all(_NUMBER.fullmatch(part) for part in every) and max(map(len, sets)) == 2
    return (
        # Fewer labels than cells, as sets save; and "3,5" may be a number.
        len(holders) < len(cells)
        and not (separator == "," and numbers)
        and sum(holders[part] > 1 for part in every) >= LEAST_RECURRING * len(every)
        and sum(part in leading for part in later) >= LEAST_LEADING * len(later)
        and sum(len(set(parts)) == len(parts) for parts in sets) >= LEAST_DISTINCT * len(sets)
        and sorted(map(len, holders))[len(holders) // 2] <= LONGEST_NAME
    )
