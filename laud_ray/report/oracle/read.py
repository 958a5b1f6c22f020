"""Read from a run what each of its oracles is worth. Nothing is asked, and nothing is bought."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from laud_ray.config import LlmConfig, PeopleConfig
from laud_ray.config.task import MULTILABEL
from laud_ray.evaluation.probing.probe import findings, llms, unfinished
from laud_ray.quality.aggregation import Opinion
from laud_ray.quality.alternative import SKILLED
from laud_ray.quality.oracles.answers import Reply, count
from laud_ray.quality.oracles.split import Split, best_split
from laud_ray.quality.raters import Agreement, compare, most_confused
from laud_ray.report.oracle.alternative import alternatives
from laud_ray.report.oracle.measure import Truth, truth_of
from laud_ray.report.oracle.members import CASCADE, TRUSTED, priced, within
from laud_ray.report.oracle.page import OraclePage, OracleShown
from laud_ray.report.oracle.replies import Answered, cascades, read_answers
from laud_ray.report.run.opinions import read_agreement
from laud_ray.store import rechecks
from laud_ray.store.feedback import judge
from laud_ray.store.run import RunFolder

WANTED = 0.95


def read_page(
    run: RunFolder, *, wanted: float = WANTED, people: float | None = None, epsilon: float = SKILLED
) -> OraclePage | None:
    """Collect what each oracle of a run is worth; None if no oracle has answered yet, or in a multilabel task.

    Args:
        wanted: the accuracy that thresholds are looked for, in (0, 1).
        people: dollars for a label of people, to compare with; by default that of the people of the run.
        epsilon: of the alternative annotator test.
    """
    if run.config.task.kind == MULTILABEL:
        return None
    found = read_answers(run)
    models = llms(run.config)
    probes = {key: one for key, config in models.items() if (one := findings(run, key, config))}
    open_probes = {key: lacking for key in models if (lacking := unfinished(run, key))}
    if not found and not probes and not open_probes:
        return None
    asked_trusted = run.config.trusted_oracle() is not None
    answers = rechecks.trusted_answers(run.store.engine) if asked_trusted else {}
    truth = truth_of(run, {name: label for name, label in answers.items() if label is not None})
    titles = _titles(found)
    named = {key: titles.get(key, config.name) for key, config in models.items()}
    shown = tuple(_shown(run, one, truth, wanted, titles[one.member.key]) for one in found)
    price, source = _people_price(shown, people)
    split, no_split, prices = _split(run, found, shown, truth, price)
    return OraclePage(
        run=run.config.task.to_task().name,
        storage=run.folder.uri,
        classes=len(truth.names),
        sample=len(truth.drawn),
        trusted=len(truth.labels),
        wanted=wanted,
        oracles=shown,
        agreement=_agreement(found, titles),
        doubtful=read_agreement(run, run.store.queries(), _feedback(run)),
        split=split,
        no_split=no_split,
        split_prices=prices,
        people=price,
        people_from=source,
        alternatives={titles[key]: one for key, one in alternatives(run, found, epsilon).items()},
        probes={named[key]: one for key, one in probes.items()},
        unfinished={named[key]: one for key, one in open_probes.items()},
    )


def _titles(found: Sequence[Answered]) -> dict[str, str]:
    """Return the name of each oracle by its key; with the key, where several have the name."""
    names = [one.member.name for one in found]
    return {
        one.member.key: one.member.name
        if names.count(one.member.name) == 1
        else f"{one.member.name} ({one.member.key})"
        for one in found
    }


def _feedback(run: RunFolder) -> dict[str, str]:
    task, most = run.config.task.to_task(), run.config.corpus.max_chars
    return dict(judge(run.store.feedback(), task.names, most, multilabel=task.multilabel).labels)


def _shown(run: RunFolder, one: Answered, truth: Truth, wanted: float, title: str) -> OracleShown:
    member, seed, classes = one.member, run.config.seed, len(truth.names)
    trusted = TRUSTED in member.places and run.config.trusted_oracle() is not None
    sampled = _sampled(one, trusted=trusted)
    lack = _lack(run, one, sampled, truth, trusted=trusted)
    measured = None if lack is not None or trusted else truth.accuracy_of(sampled)
    times = [reply.seconds for reply in one.replies if reply.seconds is not None]
    pairs = [
        (reply.label, truth.labels[name])
        for name, reply in sampled.items()
        if reply.label is not None and name in truth.labels and measured is not None
    ]
    return OracleShown(
        key=member.key,
        name=title,
        kind=member.config.kind,
        places=member.places,
        trusted=trusted,
        first=member.first,
        counts=count(one.replies),
        calls=one.calls,
        shares=one.shares,
        dollars=one.dollars,
        unpriced=None if one.dollars is not None else _unpriced(one),
        seconds=float(np.median(times)) if times else None,
        total_seconds=sum(times) if times else None,
        accuracy=measured,
        not_measured=lack,
        sampled=len(truth.rows(sampled)),
        dollar_price=truth.price(sampled, "dollars", measured, classes, right=trusted),
        second_price=truth.price(sampled, "seconds", measured, classes, right=trusted),
        confused=most_confused(pairs),
        calibration=None if measured is None else truth.calibration_of(sampled, wanted, seed),
        examples=getattr(member.config, "examples", 0),
    )


def _sampled(one: Answered, *, trusted: bool) -> dict[str, Reply]:
    """Return the answers about random documents that do not depend on what another oracle answered."""
    if trusted:
        return {reply.document_id: reply for reply in one.replies if reply.random and reply.attempt > 1}
    return one.of_sample if one.member.first else {}


def _lack(run: RunFolder, one: Answered, sampled: Mapping[str, Reply], truth: Truth, *, trusted: bool) -> str | None:
    """Say why an oracle's accuracy is not measured, and how to measure it; None if it is, or is the truth itself."""
    if trusted:
        return None
    if one.member.places == (TRUSTED,) or all(within(place, TRUSTED) for place in one.member.places):
        return "not measured: it is a part of the trusted oracle, whose labels count as right"
    if not one.member.first:
        return (
            "not measured: it was asked only about documents from which another oracle abstained, which are harder "
            "than most; to measure it, make it the oracle of a run whose evaluation.oracle is another one"
        )
    if run.config.trusted_oracle() is None:
        return (
            "not measured: no trusted oracle answered the same random documents; to measure it, set "
            "evaluation.oracle and evaluation.trusted in the configuration of a new run"
        )
    if not sampled:
        return "not measured: it answered no document of the evaluation sample"
    if not any(reply.label is not None and name in truth.labels for name, reply in sampled.items()):
        return "not measured yet: no document of the evaluation sample has a label of it and of the trusted oracle"
    return None


def _unpriced(one: Answered) -> str:
    """Say why an oracle's cost is unknown, and how to state it."""
    config = one.member.config
    if isinstance(config, LlmConfig):
        if priced(config):
            return "some calls are from before input_price and output_price were set"
        machine = "it runs in this cluster, whose time has no price here" if config.engine == "vllm" else "no price"
        return f"{machine}: set input_price and output_price, in dollars per million tokens"
    if isinstance(config, PeopleConfig):
        return "no price: set hourly, in dollars for an hour"
    if config.kind == CASCADE:
        return "one of its members has no price"
    return "a column of labels has no price"


def _split(
    run: RunFolder, found: Sequence[Answered], shown: Sequence[OracleShown], truth: Truth, people: float | None
) -> tuple[Split | None, str | None, dict[str, float | None]]:
    """Return the best mix of the run's own oracle and the trusted one, or why there is none, and the prices.

    A column of labels has no price of its own: it counts as what people's labels cost, if that is known.
    """
    own = next((i for i, one in enumerate(found) if "oracle" in one.member.places), None)
    by = next((one for one in shown if one.trusted), None)
    if own is None or by is None:
        return None, "there is no trusted oracle to mix with", {}
    prices = {one.key: _per_answer(one, found) for one in (shown[own], by)}
    if by.kind == "replay":
        prices[by.key] = people
    rho = truth.correlation_of(found[own].of_sample, run.config.seed)
    if rho is None:
        return (
            None,
            "how the two oracles' errors go together is not known yet: too few documents have both answers",
            prices,
        )
    return best_split(rho, prices[shown[own].key], prices[by.key]), None, prices


def _per_answer(one: OracleShown, found: Sequence[Answered]) -> float | None:
    """Return the price of an answer about a random document, abstentions included."""
    answered = next(each for each in found if each.member.key == one.key)
    costs = [reply.dollars for reply in answered.replies if reply.random]
    known = [cost for cost in costs if cost is not None]
    return sum(known) / len(known) if known and len(known) == len(costs) else None


def _people_price(shown: Sequence[OracleShown], stated: float | None) -> tuple[float | None, str | None]:
    """Return the price of a label of people, and where it is from."""
    if stated is not None:
        return stated, "as stated"
    people = next((one for one in shown if one.kind == "people"), None)
    if people is None or people.dollars is None or not people.counts.labels:
        return None, None
    return people.dollars / people.counts.labels, "of this run, all answers together"


def _agreement(found: Sequence[Answered], titles: Mapping[str, str]) -> Agreement | None:
    """Compare the oracles on documents of the evaluation sample, without answers that depend on another's.

    Alpha is of single oracles: a cascade's labels are its members', so that it agrees with them by definition. Its
    pairs with others are listed nevertheless.
    """
    voices = [one for one in found if one.member.first]
    opinions = {one.member.key: _opinions(one, number, titles) for number, one in enumerate(voices, 1)}
    single = [one for key in opinions if not _whole(found, key) for one in opinions[key]]
    wholes = [compare([*opinions[key], *_others(found, key, opinions)]) for key in opinions if _whole(found, key)]
    whole = compare(single) or next((one for one in wholes if one is not None), None)
    if whole is None:
        return None
    more = (pair for one in wholes if one is not None for pair in one.pairs)
    pairs = {(pair.one, pair.other): pair for pair in (*whole.pairs, *more)}
    return replace(whole, pairs=tuple(pairs.values()))


def _opinions(one: Answered, number: int, titles: Mapping[str, str]) -> list[Opinion]:
    return [
        Opinion(reply.document_id, number, 0, reply.label, titles[one.member.key])
        for reply in one.replies
        if reply.random and (reply.attempt == 1) == (TRUSTED not in one.member.places)
    ]


def _whole(found: Sequence[Answered], key: str) -> bool:
    return any(one.member.key == key and one.member.whole for one in found)


def _others(found: Sequence[Answered], key: str, opinions: Mapping[str, list[Opinion]]) -> list[Opinion]:
    """Return the opinions of oracles that are neither a cascade nor gave an answer for this one."""
    inside = {one.member.key for one in cascades(found)[key] if TRUSTED not in one.member.places} | {key}
    return [one for other, some in opinions.items() if other not in inside and not _whole(found, other) for one in some]
