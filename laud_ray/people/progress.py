"""How far the people of a run are, in the terms that matter to them: what is open, what comes next, how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from laud_ray.config import PeopleConfig
from laud_ray.people.groups import Group
from laud_ray.types import Estimate, RoundResult

# Half of the 95 % interval that answers are counted to, in percentage points.
POINTS = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the questions of a run stand.

    Attributes:
        open, disputed, done: questions that wait for an annotator, that wait for an adjudicator, and with an answer.
        share: of the questions that the next step waits for, those with an answer; in [0, 1].
        step: what comes next, in a sentence or two.
        figures: how sure the figures are, and how many answers more would make them surer; None while there are none.
        more: evaluation answers to +- 2 points; None while there are no figures.
    """

    open: int
    disputed: int
    done: int
    share: float
    step: str
    figures: str | None
    more: int | None
    finished: bool


def progress(
    found: Sequence[Group],
    rules: PeopleConfig,
    history: Sequence[RoundResult],
    *,
    working: bool,
    stop_reason: str | None = None,
    over: str | None = None,
    command: str = "laud run",
    proposals: int = 0,
) -> Progress:
    """Say where the questions stand.

    Args:
        working: whether a process works on the run.
        stop_reason: why the run ended; None while it has not.
        over: why nobody gets another question; None if they do.
        command: that continues the run.
        proposals: the number of proposed labels that wait for a decision.
    """
    waited = [one for one in found if not one.closed and not one.taken]
    lacking = sum(one.lacking(rules.close_at) for one in waited)
    needed = sum(one.states.get("settled", 0) + one.lacking(rules.close_at) for one in waited)
    figures, more = (None, None)
    if history:
        measured = history[-1].figures
        name = "Accuracy" if measured.multilabel is None else "Exact match"
        figures, more = sure(measured.accuracy, name)
    finished = stop_reason is not None
    return Progress(
        open=sum(one.states.get("open", 0) for one in found),
        disputed=sum(one.states.get("adjudicate", 0) for one in found),
        done=sum(one.answered for one in found),
        share=1.0 if not needed else (needed - lacking) / needed,
        step=stop_reason or "" if finished else over or _step(found, waited, rules, working, command, proposals),
        figures=figures,
        more=more,
        finished=finished,
    )


def sure(accuracy: Estimate, name: str = "Accuracy") -> tuple[str, int]:
    """Say how sure the accuracy is, and how many evaluation answers more would make it +- 2 points.

    In a multilabel task it is the share of exact matches, which `name` says. The width of an interval falls with the
    square root of the number of answers.
    """
    points = 50 * (accuracy.high - accuracy.low)
    more = max(0, ceil(accuracy.n * (points / POINTS) ** 2) - accuracy.n)
    said = f"{name} {100 * accuracy.value:.1f} % \u00b1 {points:.1f} points (n = {accuracy.n:,})"
    if not more:
        return f"{said}.", 0
    rounded = more if more < 100 else round(more, -1)
    return f"{said}; about {rounded:,} more evaluation answers to \u00b1 {POINTS:g}.", more


def _step(
    found: Sequence[Group], waited: Sequence[Group], rules: PeopleConfig, working: bool, command: str, proposals: int
) -> str:
    lacking = [one for one in waited if one.lacking(rules.close_at)]
    if lacking:
        n = sum(one.lacking(rules.close_at) for one in lacking)
        said = f"{n:,} more {'answer' if n == 1 else 'answers'}, then {_following(lacking)}."
        return said + _disputed(waited)
    late = sum(one.unanswered for one in found if one.closed)
    if late:
        questions = "1 question of an earlier round is" if late == 1 else f"{late:,} questions of earlier rounds are"
        said = f"{questions} open; the next model learns the answers."
        return said if working else f"{said} `{command}` continues the run."
    if proposals:
        labels = "1 proposed label waits" if proposals == 1 else f"{proposals:,} proposed labels wait"
        return f"{labels} for a decision; then `{command}` continues the run."
    if working:
        return "All answers are there. The run is working; new questions follow."
    if found:
        return f"All answers are there. `{command}` continues the run."
    return "Nothing has been asked yet. `laud run` asks the first questions."


def _following(lacking: Sequence[Group]) -> str:
    """Say what comes after the answers that are missing."""
    purposes = {one.purpose for one in lacking}
    if lacking[0].attempt > 1:
        return "what was doubtful is decided"
    if "query" in purposes:
        return f"round {max(one.round for one in lacking if one.purpose == 'query') + 1} trains"
    if "seed" in purposes:
        return "the first model trains"
    return "the first model is measured" if lacking[0].round == 0 else "the figures are estimated again"


def _disputed(waited: Sequence[Group]) -> str:
    n = sum(one.states.get("adjudicate", 0) for one in waited)
    if not n:
        return ""
    return f" {n:,} {'question waits' if n == 1 else 'questions wait'} for an adjudicator."
