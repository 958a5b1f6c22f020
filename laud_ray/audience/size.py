"""Size an audience: label names, find the largest audience with a promised precision, and write its rule."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from laud_ray import relabel as relabeling
from laud_ray.audience.evidence import Evidence, evidence, require_label
from laud_ray.audience.reach import Reach, measure_reach
from laud_ray.audience.shortfall import Shortfall, Tried, instead, shortfall
from laud_ray.errors import RunError
from laud_ray.events import Event, Observer
from laud_ray.printable import quoted
from laud_ray.relabel.finish import MANIFEST, SUCCESS
from laud_ray.relabel.inputs import cutting
from laud_ray.relabel.rule import Rule, RuleFile
from laud_ray.relabel.source import Source
from laud_ray.stats.selection import effective, select
from laud_ray.storage.checksums import parse_json
from laud_ray.storage.folder import Folder
from laud_ray.storage.local import scratch
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.store.run import look_at
from laud_ray.types import Estimate


@dataclass(frozen=True, slots=True)
class Step:
    """An audience: its threshold, what it reaches, and what is measured of it.

    Attributes:
        users: distinct users who have a name in it; None without users.
        precision, recall: on the run's evaluation sample; their n counts the documents in the audience, and those that
            belong to it.
    """

    threshold: float
    names: int
    users: int | None
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True, slots=True)
class Sized:
    """The result.

    Attributes:
        run, label, model, target: what was asked for.
        names: names in all; `labelled` of them have the label.
        users: distinct users in all; None without users.
        steps: audiences from the smallest to the largest.
        chosen: the place of the largest one whose precision is shown; None if none is.
        low: the one-sided 95 % lower bound of its precision; if none is shown, the highest precision that the sample
            shows, at the place `first`.
        n: the documents of the evaluation sample that this bound rests on.
        sampled: the documents of the evaluation sample that the model gives the label.
        answered: the documents of the evaluation sample that have an answer.
        corpus: the documents that the evaluation sample represents.
        missing: what would probably show the precision; None if it is shown, or if no audience probably has it.
        instead: a lower precision, and what would probably show it, if `missing` is None or more than the corpus has.
        notes: remarks for people.
    """

    run: str
    label: str
    model: str
    checksum: str
    target: float
    names: int
    labelled: int
    users: int | None
    steps: tuple[Step, ...]
    chosen: int | None
    first: int
    low: float
    n: float
    sampled: int
    answered: int
    corpus: int
    missing: Shortfall | None
    instead: tuple[float, Shortfall] | None
    notes: tuple[str, ...]

    @property
    def audience(self) -> Step | None:
        return None if self.chosen is None else self.steps[self.chosen]

    @property
    def left(self) -> int:
        """Documents of the corpus that the evaluation sample does not have."""
        return max(self.corpus - self.answered, 0)

    def rule(self) -> RuleFile:
        """Return the rule of the audience, which there must be."""
        found = self.audience
        assert found is not None, "nothing is shown"
        facts = {
            "run": self.run,
            "bound_rests_on": round(self.n, 1),
            "recall": asdict(found.recall),
            "names": {"all": self.names, "reached": found.names},
            "users": None if self.users is None else {"all": self.users, "reached": found.users},
        }
        rule = Rule(self.model, self.checksum, self.label, found.threshold)
        return RuleFile(rule, self.target, self.low, found.precision, facts)


def size(
    source: Source,
    names: str,
    label: str,
    precision: float,
    observe: Observer,
    *,
    text: str | None = None,
    user: str | None = None,
    labels: str | None = None,
    reading: Reading = AS_FOUND,
) -> Sized:
    """Find the largest audience of a label whose precision is shown to reach a target with 95 % confidence.

    Args:
        source: a model of a run.
        names: a file, folder, glob or URI of names, or a finished output of `laud relabel` by the same model.
        label: the label; in a taxonomy any node.
        precision: the target, in (0, 1).
        observe: called with events on the progress.
        text: the column of texts; None: that of the run's corpus.
        user: the column that says whose a name is; None counts names only.
        labels: the folder in which the labelled names are kept; None: a private one under TMPDIR. An interrupted
            labelling is resumed, and a finished one is used again.
        reading: settings of text files.

    Raises:
        UserError: if an argument is not valid, or the run cannot tell.
        PassError: if the names cannot be labelled.
    """
    with look_at(source.run) as run:
        label = require_label(run.config.task.to_task(), label, source.run)
        found = evidence(run, source.name, label)
    place, notes = _labelled(source, names, observe, text, user, labels, reading)
    reach = measure_reach(place, label, source.taxonomy, user)
    return choose(source, label, precision, found, reach, tuple(notes))


def choose(
    source: Source, label: str, target: float, found: Evidence, reach: Reach, notes: tuple[str, ...] = ()
) -> Sized:
    """Choose the largest audience whose precision is shown; see `size`."""
    possible = found.possible
    if not reach.labelled:
        raise RunError(
            f"--label: {quoted(label)} is given to none of {reach.rows:,} names by {source.name}; expected another one"
        )
    selected = select(
        found.scores[possible],
        found.right[possible],
        found.sample.weights[possible],
        reach.thresholds,
        reach.names / reach.labelled,
        reach.expected,
        target,
    )
    steps = tuple(
        Step(
            float(threshold),
            int(reach.names[place]),
            None if reach.users is None else int(reach.users[place]),
            found.precision(threshold),
            found.recall(threshold),
        )
        for place, threshold in enumerate(reach.thresholds)
    )
    if reach.without_user:
        notes = (*notes, f"{reach.without_user:,} names with the label have no user; they count as names only")
    sized = Sized(
        source.run,
        label,
        source.name,
        source.checksum,
        target,
        reach.rows,
        reach.labelled,
        reach.all_users,
        steps,
        selected.place,
        selected.first,
        selected.low,
        selected.n,
        int(possible.sum()),
        len(possible),
        sum((found.sample.sizes or {}).values()),
        None,
        None,
        notes,
    )
    return sized if sized.audience is not None else _with_missing(sized, _tried(found, reach, steps))


def _with_missing(sized: Sized, tried: Sequence[Tried]) -> Sized:
    missing = shortfall(tried, sized.target)
    if missing is not None and missing.answers <= sized.left:
        return replace(sized, missing=missing)
    return replace(sized, missing=missing, instead=instead(tried, sized.target, sized.left))


def _tried(found: Evidence, reach: Reach, steps: Sequence[Step]) -> list[Tried]:
    return [
        Tried(
            effective(found.sample.weights[found.inside(one.threshold)]),
            one.precision.value,
            float(expected),
            one.names / reach.rows,
        )
        for one, expected in zip(steps, reach.expected, strict=True)
    ]


def _labelled(
    source: Source,
    names: str,
    observe: Observer,
    text: str | None,
    user: str | None,
    labels: str | None,
    reading: Reading,
) -> tuple[str, list[str]]:
    """Label names, unless that is done; return the folder of the labels."""
    if (output := Folder(names)).exists(MANIFEST) and output.exists(SUCCESS):
        _require_ours(output, source)
        return names, []
    column = text or source.text
    assert column is not None, "a run has a column of texts"
    keep = () if user is None else (user,)
    columns = relabeling.Columns(column, None, keep)
    if labels is None:
        entries = cutting.inventory(names, columns, reading)
        files = [[one.path, one.size, one.modified] for one in entries]
        said = [source.run, source.checksum, asdict(columns), asdict(reading), files]
        key = hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()
        place = scratch.private_folder("audience") / key
        scratch.hold(place)
        labels = str(place / "labels")  # apart: both are locked
    options = relabeling.Options(columns=columns, range_rows=50_000, reading=reading)

    def heard(event: Event) -> None:
        if event.note != cutting.BY_PLACE:  # an audience has no ids
            observe(event)

    outcome = relabeling.relabel(source, names, labels, _plain(options, source), None, heard)
    failed = outcome.totals.errors
    return labels, [f"{failed:,} names could not be labelled, and are not in the audience"] if failed else []


def _plain(options: relabeling.Options, source: Source) -> relabeling.Options:
    """Answer a taxonomy at its leaves: the run's own promise is not needed for an audience."""
    return options if source.taxonomy is None else replace(options, level=source.taxonomy.levels)


def _require_ours(output: Folder, source: Source) -> None:
    place = f"{output.uri}/{MANIFEST}"
    identity = parse_json(output.read(MANIFEST), place, lambda found: dict(found["identity"]))
    if identity["model"]["checksum"] != source.checksum:
        raise RunError(
            f"{output.uri}: was labelled by another model, {identity['model']['name']}; expected names, or an output "
            f"of {source.name}"
        )
    if identity["options"].get("cascade") is not None:
        raise RunError(f"{output.uri}: a student answered in it (--cascade); expected names, or an output without")
