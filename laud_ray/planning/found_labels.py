"""Collect the labels in a column of the user's data as the classes of a task."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from laud_ray.data.found_paths import MOST_PATHS
from laud_ray.data.label_counts import MOST_LABELS, LabelCounts, TwoLabels
from laud_ray.errors import CorpusError
from laud_ray.label_cells import SEPARATORS, listed, parts_of
from laud_ray.label_sets import LabelSet
from laud_ray.labels import SHOWN, fold, read_name, two_labels
from laud_ray.planning.found_sets import FoundSets, separator_of
from laud_ray.printable import quoted
from laud_ray.taxonomy import Taxonomy, looks_like_paths, read_found
from laud_ray.texts import normalise_text

LEAST_CLASSES, MOST_CLASSES = 2, 1000
# With at most this many rows, each may well have a different label.
FEW_ROWS = 20
# The folded forms in which databases, spreadsheets and pandas write a missing value.
_MISSING = {"\\n", "null", "(null)", "nan", "none", "n/a", "na", "#n/a", "nil", "<na>", "nat"}
# The rows that are searched for texts with two labels. Labels are counted in all rows.
COMPARED_ROWS = 5_000_000
_BETWEEN = re.compile(r"\s*[;|,]\s*")


@dataclass(frozen=True, slots=True)
class Spelt:
    """A class: its most frequent spelling, and its other spellings, each with the number of rows."""

    name: str
    rows: int
    also: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class FoundLabels:
    """Counts the labels of a column, batch by batch, in bounded memory.

    Attributes:
        unclean: rows whose label has surplus white space or invisible characters, which are removed.
        unusable: rows with a value that is not valid as a label, by the value.
        sets: if the labels are those of sets, the sets; else None. See `as_sets`.
        between: the separator of sets that are texts, or None.
    """

    column: str
    rows: int = 0
    unclean: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    sets: FoundSets | None = None
    between: str | None = None
    _lists: FoundSets = field(default_factory=FoundSets)
    _separated: dict[str, str] = field(default_factory=dict)  # some texts with a separator -> their row
    _many_sets: bool | None = None
    _counts: LabelCounts = field(default_factory=lambda: LabelCounts(MOST_PATHS))
    _many_paths: bool | None = None
    _two: TwoLabels = field(default_factory=TwoLabels)

    def add(self, file: str, first: int, texts: Sequence[bytes | None], labels: Sequence[bytes | None]) -> None:
        """Count the labels of consecutive rows.

        Args:
            file: the file of the rows, for the message.
            first: the number of the first row.

        Raises:
            CorpusError: if a label is not UTF-8.
        """
        names: dict[bytes, str] = {}
        for cell, rows in Counter(labels).items():
            if cell:
                names[cell] = self._read(cell, rows, f"{file} row {first + labels.index(cell)}")
        if self.rows < COMPARED_ROWS:
            self._compare(texts, [names.get(cell or b"", "") for cell in labels])
        self.rows += len(labels)

    def _read(self, cell: bytes, rows: int, where: str) -> str:
        """Count a label of a number of rows; return its normalised name, or an empty text if it is not valid."""
        try:
            raw = cell.decode()
        except UnicodeDecodeError:
            raise CorpusError(f"{where}: the label is {quoted(cell)}; expected text in UTF-8") from None
        texts = listed(raw)
        if texts is not None and len(texts) != 1:
            return self._read_list(texts, rows)
        name = self._name(raw if texts is None else texts[0], rows)
        if texts is None and len(self._separated) < MOST_LABELS and _BETWEEN.search(name):
            self._separated.setdefault(name, where)
        if name:
            self._counts.add({name: rows})
        return name

    def _read_list(self, texts: Sequence[str], rows: int) -> str:
        """Count the labels of a list of none or several; return a text that equal lists share."""
        names = LabelSet.of(name for text in texts if (name := self._name(text, rows)))
        if texts and not names.yes:
            return ""
        self._lists.add(names.yes, rows)
        return names.text

    def _name(self, raw: str, rows: int) -> str:
        """Return the normalised name of a label; an empty text if it is not valid."""
        if not normalise_text(raw):
            return ""
        try:
            name = read_name(raw)
        except ValueError:
            self.unusable[raw] += rows
            return ""
        self.unclean += rows if name != raw else 0
        return name

    def _compare(self, texts: Sequence[bytes | None], names: Sequence[str]) -> None:
        pairs = [(text, name) for text, name in zip(texts, names, strict=True) if text and name]
        clean = [normalise_text(text.decode(errors="replace")) for text, _ in pairs]
        # The order of the labels in a text of several does not matter.
        self._two.add(clean, ["|".join(sorted(_BETWEEN.split(fold(name)))) for _, name in pairs])

    @property
    def too_many(self) -> bool:
        """Whether there are more labels than a task can have, so that further rows need not be read."""
        if len(self._counts.counts) <= MOST_LABELS:
            return False
        if self._many_paths is None:
            self._many_paths = self.separator() is not None
            self._many_sets = bool(self._lists.sizes) or separator_of(self._counts.counts) is not None
        return self._counts.others > 0 or not (self._many_paths or self._many_sets)

    def as_sets(self) -> "FoundLabels | None":
        """Return the labels of the sets in the column, if it holds lists or texts of several labels; else None."""
        found, between = FoundSets(), None
        if self._lists.sizes:
            found.counts.add(self._lists.counts.counts)
            found.sizes.update(self._lists.sizes)
        elif (between := separator_of(self._counts.counts)) is None:
            return None
        for cell, rows in self._counts.counts.items():
            found.add(parts_of(cell, between) or (), rows)
        return replace(self, sets=found, between=between, _counts=found.counts)

    def _text_beside_lists(self) -> str | None:
        """Return why lists and texts of several labels cannot be read together; None if there are not both."""
        known = {*self._lists.counts.counts, *(one for one in self._counts.counts if one not in self._separated)}
        for text, where in self._separated.items() if self._lists.sizes else ():
            for separator in SEPARATORS:
                parts = parts_of(text, separator, known) or ()
                if len(parts) > 1 and known.issuperset(parts):
                    return (
                        f"the column {quoted(self.column)} has lists, but in {where} the text {quoted(text)}, which is "
                        "several labels; expected lists in all rows, or texts in all rows"
                    )
        return None

    def separator(self) -> str | None:
        """Return the separator, if the labels look like paths of a taxonomy; else None."""
        return looks_like_paths(self._counts.counts)

    def taxonomy(self, name: str, separator: str) -> Taxonomy:
        """Return the taxonomy of the paths.

        Args:
            name: the data, for messages.

        Raises:
            ConfigError: if a path is not valid.
        """
        rows = [*self._counts.counts.items(), *self.unusable.items()]
        return read_found(rows, f"{name}: the column {quoted(self.column)}", separator=separator)

    def classes(self) -> list[Spelt]:
        """Return the classes. Labels that differ only in case or width are one, named by the most frequent spelling."""
        groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for name, rows in sorted(self._counts.counts.items(), key=lambda pair: (-pair[1], pair[0])):
            groups[fold(name)].append((name, rows))
        found = [Spelt(*group[0], tuple(group[1:])) for group in groups.values()]
        return sorted(found, key=lambda one: one.name)

    def fault(self, *, paths: bool = False) -> str | None:
        """Return why the labels cannot be the classes of a task, or the paths of one; None if they can."""
        labelled, classes = self._counts.rows, self.classes()
        the = f"the column {quoted(self.column)}"
        if (mixed := self._text_beside_lists()) is not None:
            return mixed
        if not labelled:
            return f"{the} is empty in all {self.rows:,} rows; expected labels"
        if self.too_many:
            return f"{the} has more than {MOST_LABELS:,} different values in the first {self.rows:,} rows; {_FEWER}"
        if len(classes) < LEAST_CLASSES:
            every = "the one row" if labelled == 1 else f"all {labelled:,} rows"
            return f"{the} has the label {quoted(classes[0].name)} in {every} with a label; expected two or more labels"
        if len(classes) == labelled > FEW_ROWS:
            return f"{the} has a different label in each of {labelled:,} rows; expected labels that several rows share"
        if len(classes) > MOST_CLASSES and not paths:
            return f"{the} has {len(classes):,} different labels in {labelled:,} rows; {_FEWER}"
        return None

    def path_notes(self, taxonomy: Taxonomy) -> Iterator[str]:
        """Yield notes for the user on oddities of paths."""
        the, leaves = f"the column {quoted(self.column)}", set(taxonomy.leaves.tolist())
        inner = sum(rows for text, rows in self._counts.counts.items() if taxonomy.find(text) not in leaves)
        if inner:
            yield (
                f"{the}: {inner:,} rows have a path that is above others; where that is their right answer, and not a "
                "missing one, set answers: any"
            )
        if others := sum(len(node.also) for node in taxonomy.nodes):
            yield f"{the}: {others:,} names differ from another one only in case or width, and are the same node"
        yield from self._common_notes()

    def notes(self) -> Iterator[str]:
        """Yield notes for the user on oddities of the labels."""
        the, merged = f"the column {quoted(self.column)}", [one for one in self.classes() if one.also]
        for one in merged[:SHOWN]:
            spellings = ", ".join(f"{quoted(name)} ({rows:,})" for name, rows in ((one.name, one.rows), *one.also))
            yield f"{the}: {spellings} are one label, {quoted(one.name)}, with the other spellings under `also`"
        if len(merged) > SHOWN:
            yield f"{the}: {len(merged) - SHOWN} more labels have several spellings; see `also` in the YAML"
        if missing := [f"{quoted(one.name)} ({one.rows:,})" for one in self.classes() if fold(one.name) in _MISSING]:
            listed = ", ".join(missing[:SHOWN])
            yield f"{the}: {listed} look like missing values; delete those that are not labels from task.labels"
        yield from self._common_notes()

    def _common_notes(self) -> Iterator[str]:
        the = f"the column {quoted(self.column)}"
        if self.unclean:
            yield f"{the}: white space and invisible characters are removed from the labels of {self.unclean:,} rows"
        if self.unusable:
            some = ", ".join(quoted(label) for label, _ in self.unusable.most_common(3))
            number = self.unusable.total()
            rows = "1 row has" if number == 1 else f"{number:,} rows have"
            yield f"{the}: {rows} a value that is not valid as a label (control characters, or too long): {some}"
        if self.sets is not None and (empty := self.sets.sizes[0]):
            yield f"{the}: an empty list says in {empty:,} rows that no label applies"
        if two := self._two.count():
            first = f" in the first {COMPARED_ROWS:,} rows" if self.rows > COMPARED_ROWS else ""
            of = None if self.sets is None else "different sets of labels"
            yield f"{the}: {two_labels(two, more=not self._two.whole, of=of)}{first}"


# Codes of a tree, such as those of HS or NAICS, say nothing of the tree.
_FEWER = (
    f"expected {LEAST_CLASSES} to {MOST_CLASSES:,} labels; for codes of a tree, write kind: taxonomy and its file as "
    "labels into a task.yaml (docs/taxonomy.md)"
)
