"""Notice whether a new generation differs from the documents before, by three tests that stay valid at any time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.compute as pc

from laud_ray.data.corpus import Corpus, corpus_of
from laud_ray.passes.novelty import Beside
from laud_ray.passes.stored import batch_of, reference
from laud_ray.stats.betting import TESTS, Batch, Reference, Tolerance, Watch
from laud_ray.steps.work import Work
from laud_ray.store.updates import evidence as records
from laud_ray.store.updates.evidence import BASE, Base, Evidence
from laud_ray.store.updates.generations import State, Updated, updated
from laud_ray.update import novelty
from laud_ray.update.novelty import Measured
from laud_ray.update.open_run import Current, space_of

# Documents whose bets are fixed at once: a range is in random order, so that its parts are random samples too.
BATCH = 1000
YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Noticed:
    """What the tests say after a generation.

    Attributes:
        number: of the generation.
        watch: the state of the tests.
        batch: the generation's documents, counted as those of the reference.
        labels: of the model, or groups of them, in the order of the counts.
        before: the tests that had an alarm before it.
    """

    number: int
    watch: Watch
    batch: Reference
    labels: tuple[str, ...]
    before: tuple[str, ...] = ()


def notice(work: Work, current: Current) -> list[Noticed]:
    """Test each generation that was scored and not tested yet, in order, and record the evidence."""
    return [_notice(work, current, one) for one in updated(work.store.engine) if one.state == "scored"]


def measured_beside(work: Work, current: Current) -> Beside | None:
    """Return what to measure while generations are scored that were not yet; None if the model has no vectors."""
    found = updated(work.store.engine)
    new = [one.number for one in found if one.state == "appended"]
    if not new or space_of(work, current) is None:
        return None
    # All that are noticed together are compared with the documents before the first of them.
    base = base_of(work, current, min(one.number for one in found if one.state in ("appended", "scored")))
    measured = novelty.reference(work, current, base, earlier(work, base))
    ranges = [part.name for number in new for part in work.corpus.of_generation(number).ranges]
    return Beside(measured.known, novelty.folder_of(work, base).absolute(), frozenset(ranges))


def base_of(work: Work, current: Current, number: int) -> Base:
    """Return what generation `number` is compared with.

    Once a year, and whenever another model is current, the tests begin anew with the documents until then.
    """
    known, today = records.base(work.store.setting(BASE)), datetime.now(UTC)
    if known is not None and known.model == current.name and today - datetime.fromisoformat(known.since) < YEAR:
        return known
    return Base(number - 1, current.name, today.isoformat(timespec="seconds"))


def earlier(work: Work, base: Base) -> Corpus:
    """Return the documents up to a base."""
    return corpus_of(work.corpus.folder, work.corpus.generations[: base.generation])


def _notice(work: Work, current: Current, one: Updated) -> Noticed:
    base = base_of(work, current, one.number)
    known = _reference(work, current, base)
    measured = novelty.reference(work, current, base, earlier(work, base))
    known = replace(known, far=np.array(measured.far, np.int64), far_of=measured.compared)
    novelty.of_generation(work, current, base, one.number, measured)
    with work.step("notice", current.round):
        watch, whole = _watch(work, base, known), Reference.of([], len(known.counts))
        before = watch.alarms
        for batch in _batches(work, current, base, one.number, measured):
            watch, whole = watch.after(batch), whole + Reference.of([batch], len(known.counts))
        found = [_evidence(one.number, test, watch) for test in TESTS]
        state: State = "alarm" if watch.alarms else "quiet"
        records.record(work.store.engine, found, state, {BASE: records.base_setting(base)})
    return Noticed(one.number, watch, whole, current.watched, before)


def _watch(work: Work, base: Base, known: Reference) -> Watch:
    """Return the state of the tests before a generation: that after the last one, or a new one."""
    settings = work.config.update
    tolerance = Tolerance(**settings.tolerance.model_dump())
    last: dict[str, Evidence] = {}
    for one in records.evidence(work.store.engine):
        if one.number > base.generation:
            last[one.test] = one
    if not last:
        return Watch.start(known, settings.alarms_a_year, tolerance)
    states = {test: json.loads(one.state) for test, one in last.items()}
    stored = {
        "alpha": settings.alarms_a_year,
        "tolerance": settings.tolerance.model_dump(),
        **{key: states[TESTS[0]][key] for key in ("documents", "far", "far_of")},
        "wealth": {test: state["wealth"] for test, state in states.items()},
    }
    return Watch.from_json(stored, known)


def _evidence(number: int, test: str, watch: Watch) -> Evidence:
    state = {
        "documents": watch.documents,
        "far": watch.far.tolist(),
        "far_of": watch.far_of,
        "wealth": watch.wealth[test].to_json(),
    }
    return Evidence(number, test, watch.wealth[test].log, json.dumps(state), test in watch.alarms)


def _reference(work: Work, current: Current, base: Base) -> Reference:
    """Return labels and confidences of the documents up to a base, which are read once and then recorded.

    Only texts that occur once count. An append leaves out the texts that the corpus has, so what it adds is as rare.
    """
    key, names = f"watch of {base.generation} by {base.model}", current.labels
    text = work.store.setting(key)
    if text is None:
        trained = [one.query.document.id for one in work.store.queries() if one.purpose != "evaluation"]
        before = earlier(work, base)
        ranges = [part.name for part in before.ranges]
        scores, groups = work.run.scores(current.round), current.groups
        found = reference(scores, ranges, names, trained, groups=groups, once=before)
        work.store.set(key, text := json.dumps(found.to_json()))
    return Reference.from_json(json.loads(text))


def _batches(work: Work, current: Current, base: Base, number: int, measured: Measured) -> Iterator[Batch]:
    """Yield the distinct texts of a generation in the order of its ranges, without those that could not be scored."""
    scores, far = work.run.scores(current.round), novelty.folder_of(work, base)
    for part in work.corpus.of_generation(number).ranges:
        table = scores.read_table(part.name, ["id", "label", "confidence"])
        table = table.append_column("novelty", far.read_table(part.name).column("novelty"))
        table = table.filter(pc.is_null(work.corpus.read(part.name, ["duplicate_of"]).column("duplicate_of")))
        for start in range(0, table.num_rows, BATCH):
            yield batch_of(table.slice(start, BATCH), current.labels, measured.thresholds, current.groups)
