"""Read the sets of labels in users' data: a cell is a JSON list, or a text of labels between separators."""

import ast
import json
from collections.abc import Collection, Iterable, Iterator

from laud_ray.label_sets import LabelSet
from laud_ray.labels import Known
from laud_ray.printable import quoted
from laud_ray.taxonomy.path_text import between
from laud_ray.texts import normalise_text

# Stands before a separator that is part of a name.
ESCAPE = "\\"
# The separator in files for people, and where none is stated.
SEPARATOR = ";"
# Those that are recognised in data.
SEPARATORS = (";", "|", ",")
# Lists that Python wrote, such as "['Tea', 'Milk']" of a data frame, are read up to this length.
_LONGEST_LIST = 100_000
# The most pieces between separators that are one known label, as in "Arts, Design, and Media".
_MOST_PIECES = 12


def parts_of(cell: str, separator: str | None = None, known: Collection[str] = ()) -> tuple[str, ...] | None:
    r"""Return the labels in a cell, normalised and in their order, without further checks.

    Where a separator is part of a known label, the longest known label is taken; a backslash before a separator makes
    it part of the label too.

    Args:
        cell: a list in JSON or as Python writes it, or labels between separators. None is the same as an empty text.
        separator: what stands between labels; None: a cell that is no list is one label.
        known: labels that may have the separator in them.

    Returns:
        The labels; an empty tuple for an empty list, which says that no label applies; None for a cell without an
        answer, which is empty or a list of empty texts alone.

    Example:
        >>> parts_of('["Tea", "Milk"]'), parts_of("Tea;Milk ; Bread", ";"), parts_of("[]"), parts_of(" ")
        (('Tea', 'Milk'), ('Tea', 'Milk', 'Bread'), (), None)
        >>> parts_of("Arts, Music, Law", ",", known=["Arts, Music"])
        ('Arts, Music', 'Law')
    """
    found = listed(cell)
    texts = found if found is not None else [cell] if separator is None else _between(cell, separator, known)
    parts = tuple(part for one in texts if (part := normalise_text(one)))
    return parts if parts or found == [] else None


def set_cell(names: Iterable[str], separator: str = SEPARATOR) -> str:
    r"""Return labels as a text of separated names, which `parts_of` reads.

    Example:
        set_cell(["Tea", "Salt; Pepper"]) is the text `Tea; Salt\; Pepper`.
    """
    return f"{separator} ".join(name.replace(separator, ESCAPE + separator) for name in names)


def set_of(cell: str | None, known: Known) -> LabelSet | None:
    """Return the set of a task's labels in a cell; None if there is no answer in it.

    Labels that the task does not have are left out, so that a document with none but such labels has the empty set.
    """
    parts = _parts(cell, known)
    return None if parts is None else LabelSet.of(name for part in parts if (name := known.find(part)) is not None)


def unknown_in(cell: str | None, known: Known) -> tuple[str, ...]:
    """Return the labels in a cell that the task does not have."""
    return tuple(dict.fromkeys(part for part in _parts(cell, known) or () if known.find(part) is None))


def stored(cell: str | None, known: Known | None) -> str | None:
    """Return the value of a cell of labels as a corpus keeps it; None if it has none.

    Other spellings of the task's labels become their names, and other labels are kept. In a multilabel task the value
    is the text form of a `LabelSet`.
    """
    if cell is None:
        return None
    if known is None or not known.task.multilabel:
        text = normalise_text(cell)
        return (None if known is None else known.find(text)) or text or None
    parts = _parts(cell, known)
    return None if parts is None else LabelSet.of(known.find(part) or part for part in parts).text


def labels_in(value: str, known: Known | None) -> tuple[str, ...]:
    """Return the labels in a value that `stored` returned."""
    return LabelSet.parse(value).yes if known is not None and known.task.multilabel else (value,)


def answer_in(value: str | None, known: Known) -> str | None:
    """Return the answer that a value of `stored` stands for: a class of the task, or the text form of a set of labels.

    None: there is no answer.
    """
    if value is None or not known.task.multilabel:
        return known.find_class(value)
    found = set_of(value, known)
    return None if found is None else found.text


def separator_in(labels: Iterable[str], known: Known) -> tuple[str, str, tuple[str, ...]] | None:
    """Return a label that is several labels of the task between separators; None if there is none.

    Some of its parts may be unknown, if at least one is known and each of the others is similar to a known one.

    Returns:
        The label, the separator, and its parts that are unknown.

    Example:
        "Tea; Milk", ";" and (), where Tea and Milk are labels of the task; "Tea; Mlik" has the part Mlik.
    """
    partly: tuple[str, str, tuple[str, ...]] | None = None
    for label in labels:
        if known.find(label) is None:
            for separator in SEPARATORS:
                parts = parts_of(label, separator, known.names) or ()
                strange = tuple(part for part in parts if known.find(part) is None)
                if len(parts) > 1 and not strange:
                    return label, separator, ()
                if partly is None and len(strange) < len(parts) and all(known.similar(one) for one in strange):
                    partly = label, separator, strange
    return partly


def several_labels(found: tuple[str, str, tuple[str, ...]], known: Known) -> str:
    """Return what `separator_in` found, in words."""
    label, _, strange = found
    if not strange:
        return f"{quoted(label)}, which is several labels"
    near = known.similar(strange[0]) or ""
    return (
        f"{quoted(label)}, which is several labels, of which {quoted(strange[0])} is not one of the task - did you "
        f"mean {quoted(near)}?"
    )


def _parts(cell: str | None, known: Known) -> tuple[str, ...] | None:
    return None if cell is None else parts_of(cell, known.task.separator, known.names)


def listed(cell: str) -> list[str] | None:
    """Return the texts in a cell that is a list; None if it is no list of texts, numbers and truth values."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text, parse_int=str, parse_float=str)
    except ValueError:
        found = _python_list(text)
    except RecursionError:
        return None
    if not isinstance(found, list) or not all(one is None or isinstance(one, str | bool | int) for one in found):
        return None
    return ["" if one is None else str(one).lower() if isinstance(one, bool) else str(one) for one in found]


def _python_list(text: str) -> object:
    if len(text) > _LONGEST_LIST:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _between(cell: str, separator: str, known: Collection[str]) -> list[str]:
    """Return the normalised labels between separators, each the longest known one that begins at its place."""
    text = normalise_text(cell) if separator.strip() else cell
    pieces = list(_pieces(text, separator))
    names, first = list[str](), 0
    while first < len(pieces):
        start, last = pieces[first][0], first
        for i in range(first + 1, min(first + _MOST_PIECES, len(pieces)) if known else 0):
            if _name(text[start : pieces[i][1]], separator) in known:
                last = i
        if name := _name(text[start : pieces[last][1]], separator):
            names.append(name)
        first = last + 1
    return names


def _pieces(text: str, separator: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the texts between separators that no backslash stands before."""
    start = 0
    for found in between(separator).finditer(text):
        if not text.endswith(ESCAPE, 0, found.start()):
            yield start, found.start()
            start = found.end()
    yield start, len(text)


def _name(text: str, separator: str) -> str:
    core = separator.strip() or separator
    return normalise_text(text.replace(ESCAPE + core, core))
