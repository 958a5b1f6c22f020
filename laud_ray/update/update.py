"""An update: append -> score -> notice -> ask -> propose -> learn -> decide, on a run that has finished."""

from collections.abc import Sequence
from dataclasses import replace

from laud_ray.cluster.connect import connect
from laud_ray.events import Observer
from laud_ray.models.language.warm import closing_engines
from laud_ray.people.cost import spent_line
from laud_ray.people.questions import rules_of
from laud_ray.steps.annotation.annotate import take_late
from laud_ray.steps.changed import first_round
from laud_ray.steps.score import heal, score_only
from laud_ray.steps.work import WaitingError, Work
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.store.run import claim, existing
from laud_ray.store.updates import alarms, evidence
from laud_ray.store.updates.generations import advance, updated
from laud_ray.update.append import Added, append
from laud_ray.update.ask import ask
from laud_ray.update.learn import learn, on_new
from laud_ray.update.notice import Noticed, measured_beside, notice
from laud_ray.update.open_run import Current, asked_generations, current_of, open_generations, open_run
from laud_ray.update.outcome import Outcome, State, accuracy_line, noticed_line
from laud_ray.update.propose import open_proposals, propose
from laud_ray.update.settle import close_unasked, is_above, named


def update(
    path: str,
    source: str | None = None,
    observer: Observer = lambda event: None,
    *,
    reading: Reading = AS_FOUND,
) -> Outcome:
    """Append new data to a finished run, and do what they make necessary; or go on with what was begun.

    Example:
        outcome = update("runs/food", "data/tonight.parquet")

    Args:
        path: the run's folder.
        source: the new data: a file, folder, glob or URI, which may be the path that the run began with; None appends
            nothing.
        observer: called with each event.
        reading: how the text files of the new data are written, where that is stated.

    Raises:
        UserError: if there is no such run, it cannot be updated, or the input is wrong.
    """
    with claim(existing(path)) as folder, closing_engines():
        work = open_run(folder, observer)
        current = current_of(work)
        connect()
        work, added = append(work, source, reading)
        score(work, current)
        noticed = notice(work, current)
        if not open_generations(work):
            return _quiet(work, current, added, noticed)
        try:
            return _after_alarm(work, current, added, noticed)
        except WaitingError as waiting:
            over = spent_line(folder.store.engine, rules_of(work.config))
            said = f"{waiting}; {over}" if over else str(waiting)
            found = _outcome(work, "waiting", current, added, noticed, [said])
            return replace(found, pending=waiting.pending)


def score(work: Work, current: Current) -> None:
    """Score the ranges that the current model has no scores of, which are only the new ones as a rule.

    The same vectors tell how far these lie from all that is known, so that a text is embedded once.
    """
    beside = measured_beside(work, current)
    if current.round < first_round(work.store):
        score_only(work, current.round, beside)
    else:
        heal(work, current.round, beside)
    new = [one.number for one in updated(work.store.engine) if one.state == "appended"]
    advance(work.store.engine, new, "scored", current.name)


def _after_alarm(work: Work, current: Current, added: Added, noticed: Sequence[Noticed]) -> Outcome:
    """Ask, propose, learn and decide."""
    if work.config.update.annotations == 0 and not asked_generations(work):
        return _unasked(work, current, added, noticed)
    if open_proposals(work) is None:  # while labels are open, nothing is asked with those of today
        ask(work, current)
    numbers = asked_generations(work)
    propose(work, current, numbers)
    if proposals := open_proposals(work):
        # No label changes while answers with the earlier ones are missing.
        take_late(work, len(work.store.history()))
        found = _outcome(work, "person", current, added, noticed, [proposals.words])
        return _measured(work, current, numbers, replace(found, commands=proposals.commands))
    advance(work.store.engine, numbers, "proposed")
    decision = learn(work, current)
    now = current_of(work)
    state: State = "promoted" if decision.verdict == "promote" else "kept"
    # The words of an open alarm have those of the decision.
    words = [] if state == "kept" and alarms.open_alarm(work.store) else [decision.words]
    found = replace(_outcome(work, state, now, added, noticed, words), decision=decision)
    return _called(work, _measured(work, now, numbers, found))


def _quiet(work: Work, current: Current, added: Added, noticed: Sequence[Noticed]) -> Outcome:
    """End without an alarm of these generations; one before them may still need a person."""
    words, alarm = [] if added.words or noticed else ["nothing to do"], alarms.open_alarm(work.store)
    floor = work.config.update.floor
    if alarm is not None and floor is not None:  # either the floor or the answers may have changed
        found = on_new(work, current.round, list(alarm.generations))
        if found is not None and is_above(found.bounds.low, floor):
            why = f"the accuracy of {current.name} on its documents is at least {found.bounds.low:.1%}"
            alarms.settle(work.store, alarm, why)
            words = [*words, f"the alarm of {named(alarm.generations)} is settled: {why}"]
    return _called(work, _outcome(work, "quiet", current, added, noticed, words))


def _unasked(work: Work, current: Current, added: Added, noticed: Sequence[Noticed]) -> Outcome:
    """Call for a person after an alarm about which nothing is asked, until another model is current."""
    about = open_generations(work)
    if all(one.model != current.name for one in about):
        close_unasked(work.store)
        return _quiet(work, current, added, noticed)
    place = work.run.folder.uri
    said = (
        f"{named([one.number for one in about])} raised an alarm, and update.annotations is 0, so that nothing is asked"
    )
    commands = (f"laud update {place} --acknowledge",)
    return replace(_outcome(work, "person", current, added, noticed, [said]), commands=commands)


def _outcome(
    work: Work, state: State, current: Current, added: Added, noticed: Sequence[Noticed], words: Sequence[str]
) -> Outcome:
    """Describe how the update ended, with the evidence after the last generation."""
    lines = [*added.words, *map(noticed_line, noticed), *words]
    every = evidence.evidence(work.store.engine) if noticed or open_generations(work) else []
    last = [one for one in every if one.number == every[-1].number]
    return Outcome(
        state,
        tuple(lines),
        current.name,
        added.documents,
        added.skipped,
        tuple(one.test for one in last if one.alarm),
        {one.test: one.log_wealth for one in last},
    )


def _measured(work: Work, current: Current, numbers: Sequence[int], outcome: Outcome) -> Outcome:
    """Add the accuracy of the current model on new documents."""
    found = on_new(work, current.round, list(numbers))
    if found is None:
        return outcome
    line = accuracy_line(named(numbers), current.name, found.accuracy, found.bounds.low, found.abstained)
    return replace(outcome, words=(*outcome.words, line), accuracy=found.accuracy, lower=found.bounds.low)


def _called(work: Work, outcome: Outcome) -> Outcome:
    """Call for a person while an alarm is not settled."""
    alarm = alarms.open_alarm(work.store)
    if alarm is None:
        return outcome
    words = (*outcome.words, f"{alarm.words}; a person must decide")
    return replace(outcome, state="person", words=words, commands=alarm.commands(work.run.folder.uri))
