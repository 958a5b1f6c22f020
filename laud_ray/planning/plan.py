"""Estimate the cost of a run before anything is spent: documents, tokens, calls, dollars and hours of each step.

The corpus is read and a sample of it is tokenized; nothing is labelled, no oracle is asked, and Ray is not started. On
this machine, a model that is at hand and not too large runs for a moment, which gives its speed; else hours follow from
the number of operations (laud_ray.planning.speed).
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from laud_ray import oracles
from laud_ray.config import CausalConfig, PeopleConfig, PromptedSection, RunConfig, people_in, unpriced
from laud_ray.data.corpus import open_corpus
from laud_ray.data.sharding.normalise import normalise
from laud_ray.evaluation.candidate_recall import list_size
from laud_ray.labels import known_labels
from laud_ray.models import kinds
from laud_ray.planning.speed.devices import Device, check_memory, find_device
from laud_ray.planning.speed.model_size import guessed_size
from laud_ray.planning.steps import SECONDS_PER_ANSWER, Run, Step, llms_in, most_rounds, steps
from laud_ray.planning.tokens import LIKELY_RECALL
from laud_ray.planning.ways import Comparison, compare
from laud_ray.steps.start import require_documents
from laud_ray.storage.folder import Folder
from laud_ray.store.run import CONFIG, look_at
from laud_ray.store.versions.acceptance import proposed

SAMPLE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """The estimated cost of a run.

    Attributes:
        counts: counts of the corpus: documents, unique, duplicates, errors, truncated.
        rounds: the most rounds.
        notes: assumptions, and notes on how the corpus was read.
        comparison: other ways to spend the budget, and the price of labelling everything with a language model.
    """

    counts: Mapping[str, int]
    rounds: int
    device: Device
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    comparison: Comparison

    @property
    def dollars(self) -> float | None:
        """The dollars of all steps; None if those of one are unknown."""
        known = [step.dollars for step in self.steps if step.dollars is not None]
        return sum(known) if len(known) == len(self.steps) else None

    @property
    def hours(self) -> float:
        return sum(step.hours or 0.0 for step in self.steps)

    @property
    def start_up(self) -> float:
        """The part of the hours for the start of Ray, workers and engines, and the loading of models."""
        return sum(step.start_up for step in self.steps)

    @property
    def people_hours(self) -> float:
        return sum(step.people_hours or 0.0 for step in self.steps)


def plan(config: RunConfig, gpu: str | None = None) -> Plan:
    """Estimate the cost of a run.

    Args:
        gpu: plan for this GPU, one of GPUS; None for this machine's GPU or CPU.

    Raises:
        UserError: if `laud run` would refuse the configuration or the data.
    """
    changed = _changed_taxonomy(config)
    task, device = config.task.to_task(), find_device(gpu)
    asked = config.asked_oracles()
    sections = (("zero_shot", config.zero_shot), ("learner", config.learner))
    notes = [_unless_guessed(section.model, kinds.check_section, key, section, task) for key, section in sections]
    for where, one in asked.items():
        models = [llm.model for llm in llms_in(one)] or [""]
        notes += [_unless_guessed(model, oracles.check, one, task, where) for model in models]
        notes += [
            f"{model} of {where} has no prices, so its dollars are unknown: input_price and output_price give them"
            for model in unpriced(one)
        ]
    for key, section in sections:
        if isinstance(section, PromptedSection):
            check_memory(key, section, device, max(1, int(config.resources.gpus_per_scorer)))
    with tempfile.TemporaryDirectory(prefix="laud-plan-") as scratch:
        corpus = open_corpus(Folder(f"{config.storage}/corpus")) or normalise(
            config.corpus,
            Folder(scratch),
            sealed=oracles.sealed_column(asked),
            labels=known_labels(task) if task.multilabel else None,
        )
        require_documents(config, corpus)
        for where, one in asked.items():
            oracles.check_column(one, task, corpus, where)
        notes += [
            *corpus.notes,
            _lists_note(config, len(task.labels) if task.taxonomy else 0),
            *(_people_note(people_in(one)) for one in asked.values()),
        ]
        run = Run(config, task, corpus, corpus.some_texts(SAMPLE), device)
        found = tuple(steps(run))
        comparison = compare(run, sum(step.hours or 0.0 for step in found if not step.calls))
    notes.append(_speed_note(found, device))
    if isinstance(config.learner, CausalConfig):
        notes.append(_attempts_note(config.learner))
    said = tuple(dict.fromkeys(filter(None, [*changed, *notes])))
    return Plan(corpus.counts, most_rounds(config), device, found, said, comparison)


def _changed_taxonomy(config: RunConfig) -> list[str]:
    """Return what another version of its taxonomy would change in a run that has begun."""
    if config.task.tree is None or not Folder(config.storage).exists(CONFIG):
        return []
    with look_at(config.storage) as run:
        found = proposed(run.store, run.config, config) if run.store.queries() else None
    if found is None:
        return []
    first = f"{config.storage} has another version of the taxonomy, and goes on; the steps are those of a new run"
    return [first, *found.lines()]


def _unless_guessed(model: str, check: Callable[..., None], *arguments: object) -> str | None:
    """Run a check of a model; if the model cannot be downloaded but its name has its size, return a note instead."""
    if guessed_size(model) is not None:
        return (
            f"{model} cannot be downloaded here, so its size is taken from its name, its tokens are estimated "
            "from the text, and the run may not find the model"
        )
    check(*arguments)
    return None


def _lists_note(config: RunConfig, leaves: int) -> str | None:
    """Say that a language model chooses from a list, and what that assumes."""
    found = list_size(config, 1, leaves)
    if found is None:
        return None
    return (
        f"a language model chooses from {found[0]} of {leaves:,} leaves for each document; how often the right one is "
        f"among them is unknown before the evaluation sample has answers (assumed here: {LIKELY_RECALL:.0%}), and "
        "`laud status` shows it"
    )


def _people_note(people: PeopleConfig | None) -> str | None:
    if people is None:
        return None
    more = "; second answers where a first one differs from the model come on top" if people.team > 1 else ""
    return f"people are assumed to take {SECONDS_PER_ANSWER:g} seconds for an answer{more}"


def _speed_note(found: Sequence[Step], device: Device) -> str:
    """Say how the hours were found, and what they leave out."""
    measured = [step.name for step in found if step.measured]
    if not measured:
        return f"times follow from the number of operations and the assumed speed of {device.name}, not from a run"
    return (
        f"times of {', '.join(measured)} follow from a short run of the models on {device.name}; other work on the "
        "machine meanwhile makes the run slower"
    )


def _attempts_note(learner: CausalConfig) -> str:
    """Say that a training may be repeated, which the hours do not count."""
    return (
        f"a training after which {learner.model} has learned nothing is repeated, with up to two other learning rates"
    )
