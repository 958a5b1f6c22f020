"""How far the people of a run are."""

import pytest

from laud_ray.config import PeopleConfig
from laud_ray.people.groups import Group
from laud_ray.people.progress import progress, sure
from laud_ray.types import Estimate, Figures, RoundResult

ALONE = PeopleConfig(kind="people")
EARLY = PeopleConfig(kind="people", close_at=0.9)


def closed(low: float, value: float, high: float, n: int) -> RoundResult:
    figures = Figures(n, Estimate(value, low, high, n), Estimate(value, low, high, n), 0.1, ())
    return RoundResult(1, "round-0001", 50, 500, 900, figures, None, True, {})


def step(*groups: Group, rules: PeopleConfig = ALONE, working: bool = False) -> str:
    return progress(groups, rules, [], working=working).step


def test_the_next_step_is_said() -> None:
    evaluation = Group("evaluation", 0, 1, {"open": 280, "settled": 20})
    seed = Group("seed", 0, 1, {"open": 3})
    assert step() == "Nothing has been asked yet. `laud run` asks the first questions."
    assert step(evaluation) == "280 more answers, then the first model is measured."
    assert step(evaluation, seed) == "283 more answers, then the first model trains."
    query = Group("query", 1, 1, {"open": 1, "settled": 49})
    assert step(query) == "1 more answer, then round 2 trains."
    assert step(Group("query", 1, 1, {"settled": 50})) == "All answers are there. `laud run` continues the run."
    assert step(Group("query", 1, 1, {"settled": 50}), working=True).startswith("All answers are there. The run is")
    disputed = Group("query", 1, 1, {"adjudicate": 2, "settled": 48})
    assert step(disputed) == "2 more answers, then round 2 trains. 2 questions wait for an adjudicator."


def test_what_the_run_has_taken_is_no_part_of_the_next_step() -> None:
    taken = [Group("evaluation", 0, 1, {"used": 300}), Group("seed", 1, 1, {"used": 30})]
    assert step(*taken) == "All answers are there. `laud run` continues the run."
    found = progress([*taken, Group("query", 1, 1, {"open": 30, "settled": 20})], ALONE, [], working=False)
    assert (found.share, found.step) == (0.4, "30 more answers, then round 2 trains.")
    # A further wave of the seed walk, while the evaluation sample is answered; then only that is left.
    wave = Group("seed", 1, 1, {"used": 29, "open": 4})
    measured = Group("evaluation", 0, 1, {"open": 60})
    assert step(measured, wave) == "64 more answers, then the first model trains."
    assert step(measured, taken[1]) == "60 more answers, then the first model is measured."
    more = Group("evaluation", 3, 1, {"open": 100})
    assert step(*taken, more) == "100 more answers, then the figures are estimated again."


def test_what_earlier_rounds_left_open_is_said() -> None:
    left = Group("query", 1, 1, {"open": 2, "used": 8})
    said = "2 questions of earlier rounds are open; the next model learns the answers."
    assert step(left, working=True) == said
    assert step(left) == f"{said} `laud run` continues the run."
    over = progress([left], ALONE, [], working=True, over="The answers have cost $5.")
    assert over.step == "The answers have cost $5."


def test_a_round_closes_at_its_share_of_answers_and_what_is_left_open_counts_no_more() -> None:
    assert step(Group("query", 1, 1, {"open": 10, "settled": 40}), rules=EARLY).startswith("5 more answers")
    left = Group("query", 1, 1, {"open": 5, "used": 45})
    found = progress([left, Group("query", 2, 1, {"open": 50})], EARLY, [], working=False)
    assert (found.open, found.done, found.share, found.step) == (
        55, 45, 0.0, "45 more answers, then round 3 trains.",
    )  # fmt: skip


def test_how_sure_the_figures_are_is_said_with_the_answers_that_it_takes() -> None:
    text, more = sure(Estimate(0.812, 0.768, 0.856, 300))
    assert (more, text) == (
        1152, "Accuracy 81.2 % \u00b1 4.4 points (n = 300); about 1,150 more evaluation answers to \u00b1 2.",
    )  # fmt: skip
    assert sure(Estimate(0.9, 0.885, 0.915, 1500)) == ("Accuracy 90.0 % \u00b1 1.5 points (n = 1,500).", 0)
    found = progress([], ALONE, [closed(0.768, 0.812, 0.856, 300)], working=False, stop_reason="budget: 500 of 500")
    assert (found.finished, found.step, found.more) == (True, "budget: 500 of 500", 1152)


@pytest.mark.parametrize("n", [50, 300, 2000])
def test_twice_the_width_takes_four_times_the_answers(n: int) -> None:
    _, more = sure(Estimate(0.5, 0.46, 0.54, n))  # 4 points: half of them take four times n
    assert more == pytest.approx(3 * n, abs=1)


def test_the_accuracy_of_sets_is_called_what_it_is() -> None:
    said, more = sure(Estimate(0.4, 0.35, 0.45, 400), "Exact match")
    assert said.startswith("Exact match 40.0 % \u00b1 5.0 points (n = 400)")
    assert more > 0
