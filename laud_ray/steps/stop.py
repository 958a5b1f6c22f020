"""Decide whether a run ends with its last closed round, also after a restart with other rules."""

from collections.abc import Sequence
from dataclasses import replace

from laud_ray import stopping
from laud_ray.config import TAXONOMY, RunConfig, StopConfig
from laud_ray.events import Outcome
from laud_ray.steps.changed import Since, since
from laud_ray.storage.folder import Folder
from laud_ray.store.run import CONFIG, claim
from laud_ray.store.store import Store
from laud_ray.store.versions.acceptance import Accept
from laud_ray.types import RoundResult, StoppingRule


def verdict(config: RunConfig, history: Sequence[RoundResult], changed: Since | None = None) -> str | None:
    """Return the reason to end the run after these rounds, or None. Budget and pool are rules of every run.

    After a change of the labels, no other rule ends the run before all changed ones have been asked about. A run that
    had ended ends then, unless its budget is raised once more.

    Args:
        changed: where the run stands after the last change of its labels; None if there was none.
    """
    always: list[StoppingRule] = [stopping.Budget(), stopping.PoolExhausted()]
    rules = [*map(_rule, config.stop), *always]
    if changed is None:
        return stopping.first_verdict(rules, history) if len(history) > 1 else None
    if changed.leaves:
        reason = stopping.first_verdict(always, history)
        return None if reason is None else f"{reason}; {_left(changed.leaves, config.task.kind)}"
    if changed.ended and history[-1].budget <= history[changed.round].budget:
        asked = "taxonomy: its changed leaves" if config.task.kind == TAXONOMY else "labels: the changed ones"
        return f"{asked} have been asked about; with a higher budget.annotations the run goes on"
    return stopping.first_verdict(rules, history[changed.round :])


def ended(config: RunConfig, accept: Accept) -> Outcome | None:
    """Return the outcome of a run that a rule ends with its last closed round; None if `laud_ray.loop.run` is to go on.

    It does what that does first to an existing run, without the imports of Ray and PyTorch, which take seconds.

    Args:
        accept: called with the differences if the labels are another version of the run's taxonomy.

    Raises:
        UserError: if the configuration does not fit the run.
    """
    if not Folder(config.storage).exists(CONFIG):
        return None
    with claim(config, accept) as folder:
        reason = reconsider(config, folder.store)
        return None if reason is None else Outcome("finished", reason, folder.store.setting("current"))


def reconsider(config: RunConfig, store: Store) -> str | None:
    """Apply the current budget and rules, which may have changed, to the last closed round; record the verdict.

    Once that round's queries are recorded the decision is final, since a model must be trained on their answers.
    """
    history = store.history()
    before, changed = store.stop_reason(), since(store, len(history) - 1)
    if changed is not None and changed.round == len(history):
        # The model of the version in force is still to be trained.
        store.set_stop_reason(None)
        return None
    if not history or store.queries("query", history[-1].number):
        return before
    today = replace(history[-1], budget=config.budget.annotations)
    reason = verdict(config, [*history[:-1], today], changed)
    if reason != before:
        store.set_stop_reason(reason)
    return reason


def _left(leaves: int, kind: str) -> str:
    one, many = ("leaf of the taxonomy", "leaves of the taxonomy") if kind == TAXONOMY else ("label", "labels")
    some = f"1 changed {one} is" if leaves == 1 else f"{leaves:,} changed {many} are"
    return f"{some} still to be asked about, which a higher budget.annotations allows"


def _rule(config: StopConfig) -> StoppingRule:
    rule: StoppingRule = stopping.RULES[config.kind](**config.model_dump(exclude={"kind"}))
    return rule
