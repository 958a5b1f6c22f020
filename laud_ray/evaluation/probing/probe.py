"""Probe the language models of a run: how much their answers depend on the prompt, and whether they have changed.

A probe asks about documents that are drawn at random, in several prompts of the same meaning. Its answers are no
labels: nothing learns them. A later probe asks about the same documents again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from laud_ray import oracles
from laud_ray.cluster.connect import connect
from laud_ray.config import LlmConfig, RunConfig
from laud_ray.data.corpus import Corpus, open_corpus
from laud_ray.errors import RunError
from laud_ray.evaluation.probing.draw import draw_documents
from laud_ray.events import Event, Observer
from laud_ray.models.language.prompts import fenced
from laud_ray.oracles.llm import answer_key
from laud_ray.oracles.probing import Price, Prober, answers, cost, probed, settings_of
from laud_ray.quality.probe import Change, Flips, change, flips
from laud_ray.store import rechecks
from laud_ray.store.ledger import Ledger
from laud_ray.store.probes import Probe, finish, probes, save
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Store
from laud_ray.store.tables import now
from laud_ray.types import Example


@dataclass(frozen=True, slots=True)
class Planned:
    """A probe of one language model before it is bought.

    Attributes:
        resumed: whether it goes on with a probe that was begun before.
        price: of the answers that are missing.
    """

    where: str
    config: LlmConfig
    probe: Probe
    resumed: bool
    price: Price
    prober: Prober


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a probe: the number of answers that are missing, and why."""

    where: str
    pending: int
    waiting: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What the finished probes of a language model show.

    Attributes:
        probe: the latest one.
        flips: from the latest one.
        dollars: what its answers cost; None if the model has no price.
        first: the first one, if it is another.
        since_first: whether the model answers differently than in the first probe; None if there is no other probe,
            or they cannot be compared.
        since_run: whether it answers differently than when the run asked it; None if the run asked it about none of
            the documents, several times about each, or with examples.
        incomparable: what keeps the latest probe from being compared with the first; None if nothing does.
    """

    probe: Probe
    flips: Flips
    dollars: float | None
    first: Probe | None
    since_first: Change | None
    since_run: Change | None
    incomparable: str | None


def llms(config: RunConfig) -> dict[str, LlmConfig]:
    """Return the language models of a run by their keys in the configuration."""
    return oracles.llms(config.possible_oracles())


def plan_probes(run: RunFolder, n: int) -> list[Planned]:
    """Prepare a probe of n documents for each language model of a run. Nothing is recorded, and nothing is asked.

    A probe that was begun and has not all its answers goes on, with its own number of documents.

    Raises:
        RunError: if the run has no language model, no corpus, or fewer documents.
    """
    found = llms(run.config)
    if not found:
        raise RunError(f"{run.folder.uri}: none of its oracles is a language model; expected an oracle of kind llm")
    corpus = open_corpus(run.corpus)
    if corpus is None:
        raise RunError(f"{run.corpus.uri}: has no corpus; expected one, which `laud run` creates")
    if n > corpus.pool_size:
        raise RunError(
            f"--probe: {n} is not valid; expected at most {corpus.pool_size:,}, the number of the corpus's documents"
        )
    return [_plan(run, corpus, where, config, n) for where, config in found.items()]


def _plan(run: RunFolder, corpus: Corpus, where: str, config: LlmConfig, n: int) -> Planned:
    task = run.config.task.to_task()
    oracles.check(config, task, where)
    prober = oracles.build_prober(config, task, run.config.seed, Ledger(run.store), where)
    earlier, settings = probes(run.store, where), settings_of(config)
    # With other settings, the answers of a probe that was begun could not be compared with its other ones.
    if earlier and earlier[-1].done is None and earlier[-1].is_of(prober.prompt, settings, config.base_url):
        return Planned(where, config, earlier[-1], True, prober.price(earlier[-1]), prober)
    first = next((one for one in earlier if one.done is not None), None)
    known = () if first is None else first.documents[:n]
    documents = (*known, *draw_documents(run, corpus, n - len(known), {one.id for one in known}))
    examples = _examples(run.store, config) if first is None else first.examples
    number = len(earlier) + 1
    keys = prober.keys(number, documents)
    probe = Probe(where, number, documents, examples, prober.prompt, settings, config.base_url, keys, now())
    return Planned(where, config, probe, False, prober.price(probe), prober)


def ask(run: RunFolder, planned: Planned, observer: Observer = lambda event: None) -> Asked:
    """Record a probe and buy its missing answers, each recorded as it arrives."""
    if planned.config.engine == "vllm":
        connect()
    if not planned.resumed:
        save(run.store, planned.probe)
    began = time.monotonic()
    observer(Event("begin", "probe", 0))
    left = planned.prober.ask(planned.probe, lambda done, total: observer(Event("progress", "probe", 0, done, total)))
    observer(Event("end", "probe", 0, seconds=time.monotonic() - began))
    if not left:
        finish(run.store, planned.probe)
    return Asked(planned.where, left, planned.prober.waiting or "answers are pending")


def findings(run: RunFolder, where: str, config: LlmConfig) -> Findings | None:
    """Return what the finished probes of a language model show; None if there is none."""
    done = [one for one in probes(run.store, where) if one.done is not None]
    if not done:
        return None
    ledger, first, latest = Ledger(run.store), done[0], done[-1]
    said = {d.id: one for d, one in zip(latest.documents, answers(ledger, latest), strict=True)}
    right = right_labels(run, where, config)
    found = flips({name: probed(one) for name, one in said.items()}, right)
    since_run = _since_run(ledger, config, latest, said)
    paid = cost(ledger, latest) if config.priced else None
    if first is latest:
        return Findings(latest, found, paid, None, None, since_run, None)
    why = _incomparable(first, latest)
    old = {d.id: one for d, one in zip(first.documents, answers(ledger, first), strict=True)}
    both = [name for name in said if name in old]
    since_first = change([old[name][:2] for name in both], [_twice(said[name]) for name in both]) if not why else None
    return Findings(latest, found, paid, first, since_first, since_run, why)


def unfinished(run: RunFolder, where: str) -> tuple[Probe, int] | None:
    """Return the latest probe of a language model and the number of its missing answers; None if it is finished."""
    latest = next(reversed(probes(run.store, where)), None)
    if latest is None or latest.done is not None:
        return None
    keys = [key for keys in latest.keys for key in keys]
    return latest, len(keys) - len(Ledger(run.store).answers(keys))


def right_labels(run: RunFolder, where: str, config: LlmConfig) -> dict[str, str]:
    """Return labels of the evaluation sample from an oracle that is more trusted than a language model, by document.

    These are the trusted oracle's, or those of people, of a replayed column, and of `evaluation.oracle`.
    """
    if where.startswith("evaluation.oracle"):
        return {}
    if run.config.trusted_oracle() is not None:
        trusted = rechecks.trusted_answers(run.store.engine)
        return {name: label for name, label in trusted.items() if label is not None}
    chosen, own = run.config.evaluation_oracle()[0] == "evaluation.oracle", config.name
    return {
        one.query.document.id: one.label
        for one in run.store.queries("evaluation")
        if one.label is not None
        and one.oracle not in (None, own)
        and (chosen or not str(one.oracle).startswith("llm:"))
    }


def _since_run(
    ledger: Ledger, config: LlmConfig, probe: Probe, said: Mapping[str, tuple[str | None, ...]]
) -> Change | None:
    """Compare a probe with the run's own answers to the same prompt; None if there are none."""
    if config.votes > 1 or config.examples or probe.settings != settings_of(config):
        return None
    keys = {
        one.id: answer_key(config, probe.prompt, fenced(one.text[: config.max_text_chars]), 0)
        for one in probe.documents
    }
    known = ledger.answers(list(keys.values()))
    both = [name for name, key in keys.items() if key in known]
    if not both:
        return None
    return change([(known[keys[name]].label,) for name in both], [_twice(said[name]) for name in both])


def _twice(labels: tuple[str | None, ...]) -> tuple[str | None, str | None]:
    return labels[0], labels[1]


def _incomparable(first: Probe, latest: Probe) -> str | None:
    if first.prompt != latest.prompt:
        return "the prompt was changed"
    return None if first.settings == latest.settings else f"settings were changed: {first.settings}, {latest.settings}"


def _examples(store: Store, config: LlmConfig) -> tuple[Example, ...]:
    """Return the annotations from which the prompts show some, if they show any."""
    if not config.examples:
        return ()
    asked = [*store.queries("seed"), *store.queries("query")]
    return tuple(Example(one.query.document.text, one.label) for one in asked if one.label is not None)
