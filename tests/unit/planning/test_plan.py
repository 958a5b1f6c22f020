"""What a run will cost: counts by hand, and the errors that the run would hit later."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from laud_ray import config
from laud_ray.errors import ConfigError, CorpusError, ModelError
from laud_ray.planning import plan
from laud_ray.planning.speed import model_size
from laud_ray.planning.speed.devices import CPU_ENCODER_SHARE, Device, find_device
from tests.tiny import LABELS, TINY, products


def settings(tmp_path: Path, **changed: Any) -> config.RunConfig:
    import json

    names = tmp_path / "names.csv"
    if not names.exists():
        rows = [*products(60), *products(5)]
        names.write_text("text,label\n" + "\n".join(f'"{e.text}",{e.label}' for e in rows) + "\n")
    chosen = {
        "task": {"name": "shelf", "labels": list(LABELS)},
        "corpus": {"path": str(names), "text": "text"},
        "storage": str(tmp_path / "run"),
        "zero_shot": {"engine": "vllm", "model": str(TINY), "max_context": 512},
        "oracle": {
            "kind": "llm",
            "engine": "openai",
            "model": "big",
            "base_url": "http://127.0.0.1:9/v1",
            "input_price": 2.0,
            "output_price": 8.0,
        },
        "init": {"max_queries": 12},
        "query": {"batch": 8},
        "evaluation": {"size": 20},
        "budget": {"annotations": 30},
        **changed,
    }
    return config.parse(json.dumps(chosen))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device("test", 1e12, 80e9)
    monkeypatch.setattr(plan, "find_device", lambda gpu: device)
    return device


def test_steps_are_counted(tmp_path: Path, fast: Device) -> None:
    made = plan.plan(settings(tmp_path))
    assert made.counts["documents"] == 65
    assert made.counts["unique"] == 60
    # 12 seed answers, then batches of 8, 8 and 2: a model after each, and one after the seed.
    assert made.rounds == 4
    steps = {step.name: step for step in made.steps}
    assert steps["zero-shot pass"].documents == 60
    assert steps["score passes (4)"].documents == 240
    assert [steps[f"{name}: big"].calls for name in ("evaluation", "seed (at most)", "queries")] == [20, 12, 18]
    assert steps["training"].documents == (12 + 20 + 28 + 30) * 10
    assert not (tmp_path / "run").exists()


def test_the_answers_of_people_are_hours_and_dollars(tmp_path: Path, fast: Device) -> None:
    people = {"kind": "people", "hourly": 36, "team": 2, "twice": 0.5}
    made = plan.plan(settings(tmp_path, oracle=people))
    steps = {step.name: step for step in made.steps}
    assert [steps[f"{name}: people"].calls for name in ("evaluation", "seed (at most)", "queries")] == [30, 18, 27]
    # 8 seconds each at a cent a second.
    assert steps["queries: people"].people_hours == pytest.approx(27 * 8 / 3600)
    assert made.dollars == pytest.approx(75 * 0.08)
    assert any("8 seconds for an answer" in note for note in made.notes)


def test_a_short_seed_walk_leaves_more_rounds(tmp_path: Path, fast: Device) -> None:
    made = plan.plan(settings(tmp_path, init={"max_queries": 22, "per_class": 1}))
    # A seed of 12, one for each class, leaves 18 queries in batches of 8; one of 22 would leave a single batch.
    assert made.rounds == 4


def test_dollars_are_tokens_times_prices(tmp_path: Path, fast: Device) -> None:
    step = next(s for s in plan.plan(settings(tmp_path)).steps if s.name == "queries: big")
    answers = 18 * 2
    assert step.dollars == pytest.approx(((step.tokens - answers) * 2.0 + answers * 8.0) / 1e6)


def computing(step: plan.Step) -> float:
    """The hours of a step without those of its start-up."""
    assert step.hours is not None
    return step.hours - step.start_up


def zero_shot(made: plan.Plan) -> plan.Step:
    return next(step for step in made.steps if step.name == "zero-shot pass")


def test_dollars_without_prices_are_unknown(tmp_path: Path, fast: Device) -> None:
    asked = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
    priced = {**asked, "model": "n", "input_price": 1}
    made = plan.plan(settings(tmp_path, oracle={"kind": "cascade", "oracles": [asked, priced]}))
    dollars = {step.name: step.dollars for step in made.steps}
    assert dollars["queries: m"] is None
    assert dollars["queries: n"]
    assert made.dollars is None
    assert "m of oracle has no prices, so its dollars are unknown: input_price and output_price give them" in made.notes


def test_hours_are_operations_over_the_device(tmp_path: Path, fast: Device) -> None:
    step = zero_shot(plan.plan(settings(tmp_path)))
    operations = 2 * model_size.parameters(str(TINY), causal=True) * step.tokens
    # The shared prefix is computed once; only the documents' own tokens take time.
    assert computing(step) == pytest.approx(operations / 1e12 / 3600, rel=0.2)
    assert not step.measured


def test_start_up_is_counted_apart(tmp_path: Path, fast: Device) -> None:
    made = plan.plan(settings(tmp_path))
    assert made.start_up == pytest.approx(sum(step.start_up for step in made.steps))
    assert 0 < made.start_up < made.hours
    assert made.steps[0].name == "start of Ray"
    assert computing(made.steps[0]) == 0


def test_nothing_starts_ray(tmp_path: Path, fast: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("the plan started Ray")

    monkeypatch.setattr(ray, "init", refuse)
    assert plan.plan(settings(tmp_path)).rounds == 4


def test_on_this_machine_the_models_themselves_are_measured(tmp_path: Path) -> None:
    made = plan.plan(settings(tmp_path))
    assert zero_shot(made).measured
    assert any("zero-shot pass, training, score passes (4) follow from a short run" in note for note in made.notes)


def test_an_encoder_scores_faster_on_a_cpu_than_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = {"kind": "encoder", "model": "bundled"}
    hours = []
    for times in (1.0, 4.0):
        device = Device("test", 1e12, 80e9, encoder=times)
        monkeypatch.setattr(plan, "find_device", lambda gpu, found=device: found)
        made = plan.plan(settings(tmp_path, learner=encoder))
        hours.append({step.name: computing(step) for step in made.steps if step.hours is not None})
    slow, quick = hours
    assert slow["score passes (4)"] == pytest.approx(4 * quick["score passes (4)"])
    assert slow["training"] == quick["training"]
    assert slow["zero-shot pass"] == quick["zero-shot pass"]  # of a language model


def test_the_bundled_encoder_is_planned_as_it_was_measured() -> None:
    # docs/LOG.md: 1,439 names of 9 tokens a second on two cores, each of which multiplies 94e9 times a second.
    size = model_size.parameters("bundled", causal=False)
    planned = CPU_ENCODER_SHARE * 2 * 94e9 / (2 * size * 9)
    assert 0.7 < planned / 1439 <= 1.0


def test_a_shared_prefix_counts_once(tmp_path: Path, fast: Device) -> None:
    one = zero_shot(plan.plan(settings(tmp_path))).tokens
    shown = {"engine": "vllm", "model": str(TINY), "max_context": 1024, "guideline": "Read with care. " * 40}
    assert one < zero_shot(plan.plan(settings(tmp_path, zero_shot=shown))).tokens < one + 500


def test_a_model_that_does_not_fit_is_refused(tmp_path: Path, fast: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "find_device", lambda gpu: replace(fast, memory=1e6))
    with pytest.raises(ModelError, match=r"zero_shot\.model: .* needs 0.0 GB for its weights, and 1 x test"):
        plan.plan(settings(tmp_path))


def test_mistakes_of_the_run_show_here(tmp_path: Path, fast: Device) -> None:
    with pytest.raises(CorpusError, match="no column 'nothing'"):
        plan.plan(settings(tmp_path, corpus={"path": str(tmp_path / "names.csv"), "text": "nothing"}))
    with pytest.raises(ModelError, match="learner.model: 'none' cannot be loaded"):
        plan.plan(settings(tmp_path, learner={"kind": "causal", "model": "none"}))


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="--gpu: 'H1' is unknown; expected one of T4"):
        find_device("H1")


@pytest.mark.parametrize(
    ("name", "size"),
    [("Qwen/Qwen2.5-1.5B-Instruct", 1_500_000_000), ("a/b-72B", 72_000_000_000), ("a/tiny", None), (str(TINY), None)],
)
def test_a_hub_name_may_tell_the_size(name: str, size: int | None) -> None:
    assert model_size.size_in_name(name) == size


def test_a_model_out_of_reach_is_planned_by_its_name_and_said_so(
    tmp_path: Path, fast: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_size, "at_hand", lambda name: not name.startswith("far/"))
    shown = {"engine": "vllm", "model": "far/model-7B-chat"}
    made = plan.plan(settings(tmp_path, zero_shot=shown))
    assert any(note.startswith("far/model-7B-chat cannot be downloaded here") for note in made.notes)
    step = zero_shot(made)
    assert computing(step) == pytest.approx(2 * 7e9 * step.tokens / 1e12 / 3600, rel=0.2)


def test_a_language_model_computes_the_prefix_in_each_step(tmp_path: Path, fast: Device) -> None:
    """Four trainings on 12, 20, 28 and 30 examples, twice through them, in steps of at most 16."""
    learner = {"kind": "causal", "model": str(TINY), "max_context": 512, "epochs": 2, "batch": 16}
    made = plan.plan(settings(tmp_path, learner=learner))
    step = next(step for step in made.steps if step.name == "training")
    one = plan.plan(settings(tmp_path, learner={**learner, "batch": 1}))
    other = next(step for step in one.steps if step.name == "training")
    assert step.documents == other.documents == 2 * 90
    steps = 2 * (1 + 2 + 2 + 2)
    # Only the prefix is computed more often with steps of one example.
    shared, rest = divmod(other.tokens - step.tokens, 2 * 90 - steps)
    assert shared > 0
    assert rest == 0
    assert any("has learned nothing is repeated, with up to two other learning rates" in note for note in made.notes)


def test_a_sample_that_is_too_large_is_refused_as_in_a_run(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"evaluation\.size: 40 is not valid for 60 distinct documents .* at most half"
    ):
        plan.plan(settings(tmp_path, evaluation={"size": 40}))


def test_examples_in_a_prompt_are_counted_with_their_frames_and_not_for_the_evaluation(tmp_path: Path) -> None:
    oracle = settings(tmp_path).oracle.model_dump()
    bare, shown = (
        {
            step.name.partition(":")[0]: step
            for step in plan.plan(settings(tmp_path, oracle=oracle | {"examples": n})).steps
        }
        for n in (0, 8)
    )
    assert shown["evaluation"].tokens == bare["evaluation"].tokens
    each = (shown["queries"].tokens - bare["queries"].tokens) / bare["queries"].calls / 8
    assert 15 < each < 30, "a name of some words between tags, and its answer on a line of its own"
