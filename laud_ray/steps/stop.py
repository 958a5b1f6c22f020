"""Decide whether a run ends with its last closed round, also after a restart with other rules."""

from collections.abc import Sequence
from dataclasses import replace

from laud_ray import stopping
from laud_ray.config import RunConfig, StopConfig
from laud_ray.store.store import Store
from laud_ray.types import RoundResult, StoppingRule


def verdict(config: RunConfig, history: Sequence[RoundResult]) -> str | None:
    """Return the reason to end the run after these rounds, or None. Budget and pool are rules of every run."""
    rules = [*map(_rule, config.stop), stopping.Budget(), stopping.PoolExhausted()]
    return stopping.first_verdict(rules, history) if len(history) > 1 else None


def reconsider(config: RunConfig, store: Store) -> str | None:
    """Apply the current budget and rules, which may have changed, to the last closed round; record the verdict.

    Once that round's queries are recorded the decision is final, since a model must be trained on their answers.
    """
    history = store.history()
    before = store.stop_reason()
    if not history or store.queries("query", history[-1].number):
        return before
    today = replace(history[-1], budget=config.budget.annotations)
    reason = verdict(config, [*history[:-1], today])
    if reason != before:
        store.set_stop_reason(reason)
    return reason


def _rule(config: StopConfig) -> StoppingRule:
    rule: StoppingRule = stopping.RULES[config.kind](**config.model_dump(exclude={"kind"}))
    return rule
