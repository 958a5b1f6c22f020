"""How an update ended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from laud_ray.stats.betting import TESTS
from laud_ray.store.updates.decisions import Decision
from laud_ray.types import Estimate
from laud_ray.update.notice import Noticed

# quiet: no test has an alarm. waiting: for answers. person: a person must decide, since labels are proposed or an alarm
# is not settled. kept: the new model was kept back, and the current one is shown to be accurate enough.
State = Literal["quiet", "waiting", "person", "promoted", "kept"]
SHOWN = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call of `update` ended.

    Attributes:
        state: quiet, waiting, person, promoted or kept.
        words: what happened, a line each.
        model: the current model.
        added: documents that the call appended.
        skipped: rows that were read and not appended, by reason.
        alarms: the tests that had an alarm after the last generation.
        evidence: log wealth by test after it.
        accuracy: of the current model on random new documents; None without answers.
        lower: a bound below it that holds at all times.
        pending: the number of pending answers.
        commands: what a person may type next.
        decision: about the model that this call trained; None if it trained none.
    """

    state: State
    words: tuple[str, ...]
    model: str
    added: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    accuracy: Estimate | None = None
    lower: float | None = None
    pending: int = 0
    commands: tuple[str, ...] = ()
    decision: Decision | None = None


def to_json(outcome: Outcome) -> dict[str, object]:
    """Return the outcome as values that JSON knows."""
    decision = outcome.decision
    return {
        "state": outcome.state,
        "model": outcome.model,
        "added": outcome.added,
        "skipped": dict(outcome.skipped),
        "alarms": list(outcome.alarms),
        "evidence": dict(outcome.evidence),
        "accuracy": None if outcome.accuracy is None else asdict(outcome.accuracy),
        "lower": outcome.lower,
        "pending": outcome.pending,
        "decision": None
        if decision is None
        else {"verdict": decision.verdict, "round": decision.round, "model": decision.model, "words": decision.words},
        "words": list(outcome.words),
        "commands": list(outcome.commands),
    }


def noticed_line(one: Noticed) -> str:
    """Say how a generation differs from the documents before, and by which evidence.

    Example: "generation 2 does not differ from the 12,000 documents before: confidence 0.810 against 0.820; ...".
    """
    known, new, labels = one.watch.reference, one.batch, one.labels
    alarms = [test for test in one.watch.alarms if test not in one.before]
    differs = f"differs ({' and '.join(alarms)}) from" if alarms else "does not differ from"
    if one.before and not alarms:
        differs = f"comes after an alarm ({' and '.join(one.before)}), and gives no further one; compared with"
    shares = ", ".join(f"{labels[c]} {now:.1%} against {was:.1%}" for c, was, now in known.moved(new, SHOWN))
    confidence = f"confidence {new.mean:.3f} against {known.mean:.3f}"
    novel, before = new.novel, known.novel
    wealth = ", ".join(f"{test} {one.watch.wealth[test].log:.1f}" for test in TESTS)
    told = "; ".join(filter(None, (confidence, shares, f"novel {novel:.1%} against {before:.1%}")))
    return (
        f"generation {one.number} {differs} the {known.n:,} documents before: {told} (evidence, of "
        f"{one.watch.threshold:.1f} for an alarm: {wealth})"
    )


def accuracy_line(number: str, model: str, accuracy: Estimate, lower: float, abstained: int) -> str:
    """Say how accurate a model is on new documents."""
    without = f"; {abstained} more have no label" if abstained else ""
    return (
        f"accuracy of {model} on {accuracy.n} random documents of {number}: {accuracy.value:.1%} "
        f"[{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}] (95 % interval), and at least {lower:.1%} "
        f"however often one looks{without}"
    )
