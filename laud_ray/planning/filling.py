"""Fill in the commented task.yaml of `laud init` with findings on the user's data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from laud_ray.planning.found_labels import Spelt
from laud_ray.planning.found_sets import FoundSets
from laud_ray.planning.template import (
    AUDIT,
    FLAT,
    MULTILABEL,
    PROMISE,
    STRATEGIES,
    STRATEGIES_OF_SETS,
    TAXONOMY,
    TEMPLATE,
    UPDATE,
)
from laud_ray.printable import printable, shown
from laud_ray.taxonomy import Taxonomy

# With more leaves than this, a taxonomy gets a larger budget than a flat task.
FEW_LEAVES = 250
PLACEHOLDERS = ("first label", "second label")
NO_ORACLE = "{kind: llm, engine: openai, model: MODEL_NAME}      # fill in your model"


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings on the data.

    Attributes:
        data: the path of the data.
        text: the column of texts.
        id: the column of ids, or None.
        labels: the column of labels, or None.
        classes: its labels, where they are no paths.
        taxonomy: the tree of its paths, or None.
        sets: its sets of labels, or None.
        between: the separator of sets that are texts, or None.
        rows: the number of rows.
        reading: the keys of the text format in YAML, or an empty text.
        notes: notes on the data.
    """

    name: str
    data: str
    text: str
    id: str | None
    labels: str | None
    classes: Sequence[Spelt]
    taxonomy: Taxonomy | None
    sets: FoundSets | None
    between: str | None
    rows: int
    reading: str
    notes: Sequence[str]


def filled(found: Findings) -> str:
    """Return the YAML."""
    tree = found.taxonomy
    many = tree is not None and len(tree.leaves) > FEW_LEAVES
    most = 300 if tree is None else 1000
    return TEMPLATE.format(
        task=_task(found),
        strategies=STRATEGIES if found.sets is None else STRATEGIES_OF_SETS,
        path=inline(found.data),
        text=inline(found.text),
        id=inline(found.id),
        reading=found.reading,
        notes="".join(f"\n# {printable(note)}" for note in found.notes),
        storage=inline(f"runs/{found.name}"),
        oracle=f"{{kind: replay, label: {inline(found.labels)}}}" if found.labels else NO_ORACLE,
        first=1000 if many else 300,
        batch=200 if many else 50,
        evaluation=max(20, min(most, found.rows // 4)),
        promise="" if tree is None else PROMISE,
        budget=2000 if many else 500,
        audit=AUDIT if found.sets is None else "",
        metric="macro_f1" if found.sets is None else "micro_f1",
        plateau="macro-F1" if found.sets is None else "micro-F1",
        update=UPDATE if found.sets is None else "",
    )


def _task(found: Findings) -> str:
    if found.sets is not None:
        return _sets(found, found.sets)
    return _flat(found) if found.taxonomy is None else _tree(found, found.taxonomy)


def _sets(found: Findings, sets: FoundSets) -> str:
    size = f"{len(found.classes):,} labels, {sets.mean:.2f} for a document on average, {sets.largest} at most"
    most = sets.at_most()
    keys = [] if found.between is None else [f"separator: {_quoted(found.between)}"]
    keys += (
        []
        if most is None
        else [f"# at_most: {most}    no document of this data has more labels; if that is a rule, uncomment it"]
    )
    return MULTILABEL.format(
        name=inline(found.name),
        size=size,
        labels="\n".join(_labels(found.classes)),
        keys="".join(f"  {key}\n" for key in keys),
    )


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', allow_unicode=True).strip()


def _flat(found: Findings) -> str:
    lines = _labels(found.classes) if found.classes else (f"    - {{name: {one}}}" for one in PLACEHOLDERS)
    note = "" if found.labels else "                      # fill in your labels"
    return FLAT.format(name=inline(found.name), note=note, labels="\n".join(lines))


def _tree(found: Findings, tree: Taxonomy) -> str:
    size = f"{len(tree.leaves):,} leaves, {len(tree.nodes):,} nodes in {tree.levels} levels"
    separator, column = _quoted(tree.separator), inline(found.labels)
    return TAXONOMY.format(name=inline(found.name), size=size, column=column, separator=separator)


def _labels(classes: Sequence[Spelt]) -> Iterator[str]:
    """Yield the lines of the labels, under a comment on `also` if one of them has other spellings."""
    if any(one.also for one in classes):
        yield "    # also: other spellings of the label in the data. Move one to a line of its own to make it a class."
    for one in classes:
        also = f", also: [{', '.join(inline(name) for name, _ in one.also)}]" if one.also else ""
        yield f"    - {{name: {inline(one.name)}{also}}}"


def inline(value: str | None) -> str:
    """Return a value as YAML for use within braces."""
    # Control characters, such as marks that reverse the text direction, are written as YAML escapes.
    plain = value is None or shown(value) == value
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=plain, width=10_000).strip()[1:-1]
