"""The same budget three ways, and everything by a language model: by hand."""

from pathlib import Path
from typing import Any

import pytest

from laud_ray.config import LlmConfig, PeopleConfig
from laud_ray.planning import plan
from laud_ray.planning.speed import fixed
from laud_ray.planning.speed.devices import Device
from laud_ray.planning.tokens import Asked
from laud_ray.planning.ways import ACCURACY, HOURLY, RHO, UNSURE, Comparison, design, prices
from laud_ray.stats.estimates.design import exact_interval
from tests.tiny import TINY
from tests.unit.planning.test_plan import settings

CALL = Asked(600, 90, 5)


def llm(**changed: Any) -> LlmConfig:
    return LlmConfig.model_validate({"kind": "llm", "engine": "openai", "model": "big", **changed})


def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> tuple[plan.Plan, Comparison]:
    monkeypatch.setattr(plan, "find_device", lambda gpu: Device("test", 1e12, 80e9))
    made = plan.plan(settings(tmp_path, **changed))
    return made, made.comparison


def test_configured_prices_are_taken() -> None:
    found = prices(llm(input_price=2, output_price=8, votes=3), PeopleConfig(kind="people", hourly=36), CALL)
    assert found.llm == pytest.approx(3 * (690 * 2 + 5 * 8) / 1e6)
    # 8 seconds at a cent a second.
    assert found.person == pytest.approx(0.08)
    assert found.person_hours == pytest.approx(8 / 3600)


def test_unknown_prices_are_assumed() -> None:
    found = prices(None, None, CALL)
    # 600 cached at 0.025, 90 at 0.25 and 5 answered at 2 dollars a million.
    assert found.llm == pytest.approx((600 * 0.025 + 90 * 0.25 + 5 * 2) / 1e6)
    assert found.person == pytest.approx(HOURLY * 8 / 3600)
    assert found.model is None


def test_a_model_on_this_cluster_costs_no_dollars() -> None:
    assert prices(llm(engine="vllm"), None, CALL).llm == 0


def test_a_team_that_answers_twice_costs_more() -> None:
    once, twice = (PeopleConfig(kind="people", team=2, twice=share) for share in (0.0, 0.5))
    assert prices(None, twice, CALL).person == pytest.approx(1.5 * prices(None, once, CALL).person)


def test_the_ways_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, found = compared(tmp_path, monkeypatch)
    alone, both, people = found.ways
    call = next(step for step in made.steps if step.name == "queries: big")
    one = call.dollars / call.calls
    # 30 annotations and 20 documents to evaluate on.
    assert alone.dollars == pytest.approx(50 * one, rel=1e-3)
    assert alone.people_hours == 0
    assert people.dollars == pytest.approx(50 * HOURLY * 8 / 3600)
    assert people.people_hours == pytest.approx(50 * 8 / 3600)
    assert (people.llm_documents, people.people_documents) == (0, 20)
    assert (alone.llm_documents, alone.people_documents) == (20, 0)
    # The LLM answers the annotations and the sample, and people a fifth of the former and part of the latter.
    shared = design(20, None, prices(llm(input_price=2, output_price=8), None, CALL), 30)
    assert both.people_documents == round(shared.trusted) < 20
    assert both.people_hours == pytest.approx((UNSURE * 30 + shared.trusted) * 8 / 3600, rel=0.05)


def test_an_interval_is_the_exact_one_and_an_llm_alone_measures_agreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, found = compared(tmp_path, monkeypatch)
    low, high = exact_interval(ACCURACY, 20)
    assert all((way.low, way.high) == pytest.approx((low, high)) for way in found.ways)
    assert [way.of for way in found.ways] == ["agreement with the LLM", "accuracy", "accuracy"]
    assert found.ways[0].half_width == pytest.approx((high - low) / 2)


def test_a_configured_trusted_sample_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = {"size": 30, "trusted": 20, "oracle": {"kind": "people"}}
    both = compared(tmp_path, monkeypatch, evaluation=evaluation)[1].ways[1]
    assert (both.llm_documents, both.people_documents) == (30, 20)
    effective = 1 / ((1 - RHO**2) / 20 + RHO**2 / 30)
    assert (both.low, both.high) == pytest.approx(exact_interval(ACCURACY, effective))


def test_everything_is_documents_times_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(tmp_path, monkeypatch)[1].everything
    assert found.documents == 60
    given = found.fixed_tokens + found.own_tokens
    assert found.dollars == pytest.approx(60 * (given * 2 + found.answer_tokens * 8) / 1e6)
    # 32 calls of a second at a time.
    assert found.hours == pytest.approx(60 / 32 / 3600)


@pytest.mark.parametrize(("gpus", "starts"), [(0, 1), (1, 4)])
def test_an_engine_starts_once_or_after_each_pass_that_needs_its_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, starts: int
) -> None:
    oracle = {"kind": "llm", "engine": "vllm", "model": str(TINY)}
    made, found = compared(tmp_path, monkeypatch, oracle=oracle, resources={"gpus_per_scorer": gpus})
    alone, _, people = found.ways
    # The evaluation sample and the seed walk are one after the other; a pass is before the queries of each later round.
    expected = starts * fixed.oracle(gpu=True) / 3600
    assert alone.hours - people.hours == pytest.approx(expected, rel=1e-3)
    assert sum(step.start_up for step in made.steps if step.calls) == pytest.approx(expected)
    assert alone.dollars == 0


def test_an_assumption_is_said_and_a_configured_price_is_not_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = compared(tmp_path, monkeypatch)[1].assumptions
    assert "big costs $2 and $8 per million tokens given and answered, as configured" in said[0]
    assert any("people are assumed to cost $35 an hour" in one for one in said)
    paid = {"kind": "people", "hourly": 20}
    said = compared(tmp_path, monkeypatch, oracle=paid)[1].assumptions
    assert "a small hosted model is assumed to cost $0.25, $0.025 and $2" in said[0]
    assert "people cost $20 an hour, as configured" in said
    assert any("whose own errors are not in it" in one for one in said)
