"""Probes of a run's language models: what is bought, resumed and found."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from laud_ray import oracles
from laud_ray.config import RunConfig
from laud_ray.errors import RunError
from laud_ray.evaluation.probing.draw import order
from laud_ray.evaluation.probing.probe import Findings, ask, findings, llms, plan_probes
from laud_ray.events import Event
from laud_ray.oracles.llm import LlmOracle, oracle_prompt
from laud_ray.oracles.probing import ASKED
from laud_ray.store.ledger import Ledger
from laud_ray.store.probes import probes
from laud_ray.store.run import claim, configured
from laud_ray.store.store import Sampled
from laud_ray.types import Document
from tests.probed import LABELS, Answering, is_reversed, make_run, number, wording

Model = Callable[[Callable[[str, int], str | None]], Answering]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("made"), "http://127.0.0.1:9")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    """Put a model behind the oracle's name."""

    def put(label: Callable[[str, int], str | None]) -> Answering:
        engine = Answering(label)
        monkeypatch.setattr(oracles, "OpenAiEngine", lambda *_: engine)
        return engine

    return put


def probe(run: Path, n: int, **changes: object) -> tuple[Findings | None, int]:
    """Buy a probe; return what is found and how many answers are missing."""
    with claim(changed(run, **changes)) as folder:
        (planned,) = plan_probes(folder, n)
        asked = ask(folder, planned)
        return findings(folder, planned.where, planned.config), asked.pending


def changed(run: Path, **changes: object) -> RunConfig:
    settings = configured(f"{run}/config.yaml")
    return settings.model_copy(update={"oracle": settings.oracle.model_copy(update=changes)})


def right(prompt: str, before: int) -> str:
    return LABELS[number(prompt) % 3]


def test_each_document_is_asked_in_six_prompts_and_one_of_them_twice(run: Path, model: Model) -> None:
    server = model(right)
    found, pending = probe(run, 30)
    prompts = Counter(server.prompts)
    assert (pending, len(server.prompts), len(prompts)) == (0, 30 * len(ASKED), 30 * 6)
    twice = [prompt for prompt, count in prompts.items() if count == 2]
    assert len(twice) == 30
    assert not any(wording(one) or is_reversed(one) for one in twice)
    assert Counter((wording(one), is_reversed(one)) for one in prompts) == Counter(
        {(i, turned): 30 for i in range(3) for turned in (False, True)}
    )
    assert found is not None
    flips = found.flips
    assert (flips.n, flips.unstable.value, flips.wording.value, flips.order.value, flips.again.value) == (
        30,
        0,
        0,
        0,
        0,
    )
    assert (flips.errors[0].n, flips.errors[1].n, flips.errors[1].wrong) == (0, 30, 0)
    assert (found.first, found.since_first, found.since_run) == (None, None, None)


def test_a_model_that_answers_by_position_by_wording_or_at_random_is_seen(run: Path, model: Model) -> None:
    rng = random.Random(0)

    def label(prompt: str, before: int) -> str:
        i = number(prompt)
        if i % 5 == 0:  # the first of the list
            return "Juice" if is_reversed(prompt) else "Tea"
        if i % 5 == 1:  # the second wording is misunderstood
            return LABELS[(i + (wording(prompt) == 1)) % 3]
        if i % 5 == 2:
            return rng.choice(LABELS)
        return LABELS[i % 3]

    model(label)
    found, _ = probe(run, 60)
    assert found is not None
    flips = found.flips
    # A fifth of the documents each: order; one of two other wordings; and chance, which moves all three figures.
    assert flips.order.low < 0.2 + 0.2 * 2 / 3 < flips.order.high
    assert flips.wording.low < 0.2 / 2 + 0.2 * 2 / 3 < flips.wording.high
    assert flips.again.low < 0.2 * 2 / 3 < flips.again.high
    assert 0.45 < flips.unstable.value <= 0.6
    unstable, stable = flips.errors
    assert (unstable.n + stable.n, stable.wrong) == (40, 0)
    assert unstable.wrong > 8


def test_a_killed_probe_goes_on_with_its_documents_and_buys_nothing_twice(run: Path, model: Model) -> None:
    server = model(right)

    class Killed(BaseException):
        pass

    def observer(event) -> None:
        if event.kind == "progress" and event.done >= 80:
            raise Killed

    with claim(changed(run)) as folder:
        (planned,) = plan_probes(folder, 20)
        assert (planned.price.calls, planned.resumed) == (140, False)
        with pytest.raises(Killed):
            ask(folder, planned, observer)
    assert 80 <= (before := len(server.prompts)) < 140
    with claim(changed(run)) as folder:
        assert findings(folder, planned.where, planned.config) is None
        (again,) = plan_probes(folder, 35)
        assert (again.price.calls, again.resumed) == (140 - before, True)
        assert again.probe.documents == planned.probe.documents
        assert ask(folder, again).pending == 0
    assert len(server.prompts) == 140
    assert max(Counter(server.prompts).values()) == 2


def test_a_cap_that_is_reached_leaves_the_rest_pending(run: Path, model: Model) -> None:
    server = model(right)
    with claim(changed(run, max_calls=100)) as folder:
        (planned,) = plan_probes(folder, 20)
        asked = ask(folder, planned)
    assert asked.pending == 40
    assert "oracle.max_calls: 100 of 100 calls of m are used" in asked.waiting
    assert len(server.prompts) == 100
    found, pending = probe(run, 20, max_calls=None)
    assert (pending, len(server.prompts)) == (0, 140)
    assert found is not None
    assert found.flips.n == 20


def test_a_later_probe_asks_about_the_same_documents_and_finds_another_model(run: Path, model: Model) -> None:
    new = False

    def label(prompt: str, before: int) -> str:
        i = number(prompt)
        return LABELS[(i + (new and i % 5 == 0)) % 3]

    model(label)
    probe(run, 30)
    same, _ = probe(run, 40)
    assert same is not None
    assert same.since_first is not None
    assert (same.since_first.n, same.since_first.found, same.since_first.p) == (30, False, 1.0)
    new = True
    other, _ = probe(run, 30)
    assert other is not None
    assert other.since_first is not None
    assert other.since_first.found
    changed = sum(number(one.text) % 5 == 0 for one in other.probe.documents)
    assert other.since_first.split == other.since_first.telling == changed
    assert other.since_first.p == pytest.approx(3.0**-changed)
    with claim(configured(f"{run}/config.yaml")) as folder:
        kept = probes(folder.store, "oracle")
    assert [one.number for one in kept] == [1, 2, 3]
    assert kept[1].documents[:30] == kept[0].documents == kept[2].documents


def test_a_first_probe_is_compared_with_the_run_s_own_answers(run: Path, model: Model) -> None:
    new = False

    def label(prompt: str, before: int) -> str:
        return LABELS[(number(prompt) + new) % 3]

    server = model(label)
    with claim(changed(run)) as folder:
        (config,), task = llms(folder.config).values(), folder.config.task.to_task()
        oracle = LlmOracle(config, oracle_prompt(config, task), server, Ledger(folder.store))
        oracle.annotate([Document(f"d{i}", f"text {i}") for i in range(60)])
    new = True
    found, _ = probe(run, 25)
    assert len(server.prompts) == 60 + 25 * 7
    assert found is not None
    assert found.since_run is not None
    assert (found.since_run.n, found.since_run.changed.value, found.since_run.found) == (25, 1.0, True)


def test_settings_that_change_answers_keep_probes_from_being_compared(run: Path, model: Model) -> None:
    model(right)
    probe(run, 10)
    found, _ = probe(run, 10, max_text_chars=16)
    assert found is not None
    assert found.since_first is None
    assert found.incomparable is not None
    assert "max_text_chars" in found.incomparable


def test_unreadable_and_refused_answers_count_as_no_label(run: Path, model: Model) -> None:
    model(lambda prompt, before: None if number(prompt) % 2 else right(prompt, before))
    found, pending = probe(run, 20)
    assert pending == 0
    assert found is not None
    odd = sum(number(one.text) % 2 for one in found.probe.documents)
    assert (found.flips.unread, found.flips.answers) == (7 * odd, 140)
    assert found.flips.errors[1].n == 20 - odd


def test_the_price_is_known_before(run: Path, model: Model) -> None:
    server = model(right)
    with claim(changed(run, output_price=2.0)) as folder:
        (planned,) = plan_probes(folder, 10)
    assert not server.prompts
    price = planned.price
    assert price.calls == 70
    assert 70 * 60 < price.tokens < price.most_tokens
    assert price.dollars == pytest.approx((price.tokens - 140 + 2 * 140) / 1e6)
    assert price.most_dollars == pytest.approx((price.most_tokens - 70 * 16 + 2 * 70 * 16) / 1e6)
    with claim(changed(run, output_price=2.0)) as folder:
        ask(folder, planned_again := plan_probes(folder, 10)[0])
        assert folder.store.cost() == 0.0
        totals = Ledger(folder.store).totals("llm:m")
    assert (totals.calls, totals.tokens) == (70, 70 * 102)
    assert planned_again.price == price


def test_what_cannot_be_probed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_run(tmp_path / "other", "http://127.0.0.1:9", other={"kind": "replay", "label": "label"})
    with (
        claim(configured(f"{other}/config.yaml")) as folder,
        pytest.raises(RunError, match="expected an oracle of kind"),
    ):
        plan_probes(folder, 10)
    with claim(changed(run)) as folder:
        with pytest.raises(RunError, match="--probe: 61 is not valid; expected at most 60"):
            plan_probes(folder, 61)
        assert len(plan_probes(folder, 60)[0].probe.documents) == 60
        folder.corpus.remove()
        with pytest.raises(RunError, match="has no corpus"):
            plan_probes(folder, 10)


def test_documents_with_a_trusted_answer_come_first_and_then_others_at_random(run: Path) -> None:
    with claim(changed(run)) as folder:
        drawn = plan_probes(folder, 50)[0].probe.documents
        sample = {one.document_id for one in folder.store.sample("evaluation")}
        assert plan_probes(folder, 50)[0].probe.documents == drawn
    assert len({one.id for one in drawn}) == 50
    assert {one.id for one in drawn[:40]} == sample


def test_documents_of_a_large_stratum_are_drawn_as_often_as_in_the_corpus() -> None:
    """A sample with 30 of 60 rare documents and 30 of 940 others: few of 20 that are drawn from it are rare."""
    group = [Sampled("r", i, f"d{i}", int(i >= 30), 940 if i >= 30 else 60) for i in range(60)]
    rng = np.random.default_rng(0)
    rare = [sum(i < 30 for i in order(group, rng)[:20]) for _ in range(200)]
    assert 0.5 < float(np.mean(rare)) < 3.0  # 1.2 of 20 in the corpus


def test_the_run_s_own_calls_and_its_probe_share_a_cap(run: Path, model: Model) -> None:
    server = model(right)
    with claim(changed(run, max_calls=90)) as folder:
        (config,), task = llms(folder.config).values(), folder.config.task.to_task()
        oracle = LlmOracle(config, oracle_prompt(config, task), server, Ledger(folder.store))
        oracle.annotate([Document(f"d{i}", f"text {i}") for i in range(60)])
        assert ask(folder, plan_probes(folder, 10)[0]).pending == 40
        used = Ledger(folder.store).totals("llm:m")
        assert (used.calls, used.answered) == (90, 90)
        more = oracle.annotate([Document("other", "text 61")])
    assert more == []
    assert oracle.waiting is not None


def test_a_probe_that_died_after_its_last_answer_is_finished_without_a_call(run: Path, model: Model) -> None:
    server = model(right)

    class Killed(BaseException):
        pass

    def observer(event: Event) -> None:
        if event.kind == "end":
            raise Killed

    with claim(changed(run)) as folder:
        (planned,) = plan_probes(folder, 10)
        with pytest.raises(Killed):
            ask(folder, planned, observer)
        (again,) = plan_probes(folder, 10)
        assert (again.resumed, again.price.calls, len(server.prompts)) == (True, 0, 70)
        assert ask(folder, again).pending == 0
        assert findings(folder, again.where, again.config) is not None
    assert len(server.prompts) == 70


def test_every_language_model_of_a_run_is_probed_once(tmp_path: Path, model: Model) -> None:
    server = model(right)
    small = {"kind": "llm", "engine": "openai", "model": "small", "base_url": "http://127.0.0.1:9"}
    cascade = {"kind": "cascade", "oracles": [small, {**small, "model": "large"}]}
    run = make_run(tmp_path, "", other=cascade)
    with claim(configured(f"{run}/config.yaml")) as folder:
        planned = plan_probes(folder, 5)
        assert [(one.where, one.config.model) for one in planned] == [
            ("oracle.oracles[0]", "small"),
            ("oracle.oracles[1]", "large"),
        ]
        assert [ask(folder, one).pending for one in planned] == [0, 0]
        assert planned[0].probe.keys != planned[1].probe.keys
    assert len(server.prompts) == 70
