"""The labels of a run and the proposed ones, and what a change of them means: for the terminal and as JSON."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from laud_ray.config import LabelConfig
from laud_ray.report.formatting import ABSENT
from laud_ray.store.run import CONFIG, RunFolder
from laud_ray.store.updates.generations import is_open
from laud_ray.store.updates.proposals import Proposed, every
from laud_ray.store.versions.proposal import Proposal
from laud_ray.store.versions.record import history

TEXTS = 3
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class LabelShown:
    """A label of a run, with its numbers of answers: for training, and for evaluation."""

    label: LabelConfig
    training: int
    evaluation: int


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a run.

    Attributes:
        version: from 1; each change makes another one.
        labels: in their order.
        without: answers that no label fitted.
        unclear: answers whose label was split, and that are to be asked about again.
        proposals: all of them, in the order of their numbers.
    """

    version: int
    labels: tuple[LabelShown, ...]
    without: int
    unclear: int
    proposals: tuple[Proposed, ...]


def read(run: RunFolder) -> Labels:
    """Collect the labels of a run, whose answers are counted in the words of the version in force."""
    asked, versions = [one for one in run.store.queries() if one.answered], history(run.store.engine)
    counts = Counter((one.label, one.purpose == "evaluation") for one in asked if not one.unclear)
    labels = run.config.task.labels
    return Labels(
        1 if versions is None else versions.current.number,
        tuple(LabelShown(one, counts[one.name, False], counts[one.name, True]) for one in labels),
        counts[None, False] + counts[None, True],
        sum(one.unclear for one in asked),
        tuple(every(run.store.engine)),
    )


def labels_json(found: Labels) -> dict[str, object]:
    """Return the object that `laud labels RUN --json` prints."""
    return {
        "version": found.version,
        "labels": [
            {
                "name": one.label.name,
                "description": one.label.description,
                "also": list(one.label.also),
                "annotations": one.training,
                "evaluation": one.evaluation,
            }
            for one in found.labels
        ],
        "without_label": found.without,
        "unclear": found.unclear,
        "proposals": [_proposal_json(one) for one in found.proposals],
    }


def labels_view(found: Labels, storage: str) -> RenderableType:
    """Return the view of `laud labels RUN`: the labels, and the proposals that are open."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("label")
    for name in ("annotations", "evaluation"):
        table.add_column(name, justify="right", no_wrap=True)
    described = any(one.label.description for one in found.labels)
    if described:
        table.add_column("description")
    for one in found.labels:
        more = [one.label.description or ABSENT] if described else []
        table.add_row(Text(one.label.name), f"{one.training:,}", f"{one.evaluation:,}", *map(Text, more))
    lines = []
    if found.without:
        lines.append(f"{found.without:,} answers without a label")
    if found.unclear:
        lines.append(f"{found.unclear:,} answers at a label that was split, which are asked again")
    opened = [one for one in found.proposals if one.state == "open"]
    shown = [line for one in opened for line in _proposal_lines(one)]
    if opened:
        run = shlex.quote(storage)
        how = "accept N [--name NAME], merge N LABEL" if found.labels else "merge N NODE"
        shown.append(f"Decide: laud labels {run} {how}, or refuse N")
    elif not found.labels:
        return Text("no labels are proposed; the labels of a taxonomy are in its file")
    return Group(*([table] if found.labels else []), *map(Text, lines), *([Text()] if shown else []), *map(Text, shown))


def change_json(kind: str, found: Proposal, labels: Sequence[LabelConfig], version: int) -> dict[str, object]:
    """Return the object that a change of the labels prints with --json."""
    return {
        "change": kind,
        "version": version,
        "labels": [label.name for label in labels],
        "answers": len(found.answers),
        "kept": found.kept,
        "asked_again": {
            "evaluation": len(found.unclear(evaluation=True)),
            "training": len(found.unclear(evaluation=False)),
        },
        "asked_about": list(found.how.added),
        "budget_left": found.left,
        "text": found.lines(),
    }


def next_step(run: RunFolder, storage: str, found: Proposal) -> str:
    """Return the command after a change, and a word about the budget if the change needs more than is left.

    An update that waits for a decision about labels goes on; it has an allowance of its own.
    """
    if is_open(run.store.engine):
        return f"A model with these labels, once all proposals are decided about: laud update {shlex.quote(storage)}"
    config = shlex.quote(f"{storage.rstrip('/')}/{CONFIG}")
    wanted = bool(found.how.added or found.unclear(evaluation=False))
    more = " with a higher budget.annotations" if wanted and not found.left else ""
    return f"A model with these labels: laud run {config}{more}"


def _proposal_json(one: Proposed) -> dict[str, object]:
    cluster = one.cluster
    return {
        "number": one.number,
        "generation": one.generation,
        "name": cluster.name,
        "fits": cluster.fits,
        "size": {"value": cluster.size, "low": cluster.low, "high": cluster.high},
        "texts": list(cluster.texts[:TEXTS]),
        "state": one.state,
        "label": one.label,
    }


def _proposal_lines(one: Proposed) -> list[str]:
    """Return a proposal in words: its number, name and size, and examples.

    Example:
        `3: 'plant milk', about 140 documents [120, 160] of generation 2`.
    """
    cluster = one.cluster
    exact = cluster.low == cluster.high
    size = (
        f"{cluster.size:,} documents"
        if exact
        else f"about {cluster.size:,} documents [{cluster.low:,}, {cluster.high:,}]"
    )
    fits = "" if cluster.fits is None else f"; the label {cluster.fits!r} may fit"
    head = f"proposal {one.number}: {cluster.name!r}, {size} of generation {one.generation}{fits}"
    return [head, *(f"  {_short(text)}" for text in cluster.texts[:TEXTS])]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
