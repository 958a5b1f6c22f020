"""Check the column that a replay oracle answers from, before the first query."""

from collections.abc import Iterator

from laud_ray.config import ReplayConfig
from laud_ray.data.corpus import Corpus, first_sealed_values, sealed_labels
from laud_ray.errors import ConfigError
from laud_ray.label_cells import labels_in, separator_in, several_labels
from laud_ray.labels import known_labels, no_known_label, two_labels
from laud_ray.printable import quoted
from laud_ray.types import Task

_STRANGE = "documents have a label that the task does not have"
_ABSTAINS = f"{_STRANGE}; the oracle abstains from them"
# What becomes of labels that the task does not have, by the kind of the task.
_MEANS = {
    "binary": f"{_STRANGE}; they count as other",
    "multilabel": "labels of documents are not labels of the task; they are left out",
}


def check(config: ReplayConfig, task: Task, corpus: Corpus, where: str) -> None:
    """Check that a column has labels of the task.

    Args:
        where: the key of the oracle in the configuration.

    Raises:
        CorpusError: if it has none of them.
        ConfigError: if it has several labels in a text, and the task has no separator.
    """
    known, found = known_labels(task), sealed_labels(corpus)
    if found is None:
        firsts = first_sealed_values(corpus)
        labels = dict.fromkeys((label for value in firsts for label in labels_in(value, known)), 1)
    else:
        labels = dict(found.counts)
    if task.multilabel and task.separator is None and (several := separator_in(labels, known)) is not None:
        raise ConfigError(
            f"task.separator: is missing, and the column {quoted(config.label)} of {where}.label holds "
            f"{several_labels(several, known)}; expected separator: {quoted(several[1])}"
        )
    if not any(known.find(label) is not None for label in labels):
        raise no_known_label(task, f"{where}.label", config.label, known.unknown(labels))


def remarks(config: ReplayConfig, task: Task, corpus: Corpus, where: str) -> Iterator[str]:
    """Yield a line for each oddity of a column: labels that the task does not have, texts with different labels."""
    known, found = known_labels(task), sealed_labels(corpus)
    if found is None:
        return
    strange = {label: rows for label, rows in found.counts.items() if known.find(label) is None}
    # Labels that were not counted separately may be labels of a large taxonomy.
    rows = sum(strange.values()) + (0 if task.taxonomy is not None else found.others)
    if rows:
        listed = ", ".join(map(str, known.unknown(strange)))
        yield f"{where}.label: {rows:,} {_MEANS.get(task.kind, _ABSTAINS)}: {listed}"
    if found.empty:
        yield f"{where}.label: {found.empty:,} documents have an empty list, which means that no label applies"
    if found.two_labels:
        of, which = ("different sets of labels", "labels") if task.multilabel else (None, "label")
        counts = "count" if task.multilabel else "counts"
        said = two_labels(found.two_labels, of=of)
        yield f"{where}.label: {said} in {config.label!r}; the {which} of the first row {counts}"
