"""An update ends in words and in JSON."""

import json
from dataclasses import replace

import numpy as np

from laud_ray.stats.betting import Batch, Reference, Watch
from laud_ray.types import Estimate
from laud_ray.update.notice import Noticed
from laud_ray.update.outcome import Outcome, accuracy_line, noticed_line, to_json


def noticed(novel: float) -> Noticed:
    rng = np.random.default_rng(0)

    def batch(n: int, share: float) -> Batch:
        return Batch(rng.integers(0, 2, n), np.full(n, 0.8), rng.random(n) < share)

    known = Reference.of([batch(10_000, 0.01)], 2)
    new = batch(1000, novel)
    return Noticed(2, Watch.start(known).after(new), Reference.of([new], 2), ("Tea", "Coffee"))


def test_a_quiet_generation_is_said_with_its_figures() -> None:
    line = noticed_line(noticed(0.01))
    assert line.startswith("generation 2 does not differ from the 10,000 documents before: confidence 0.800 against ")
    assert "Tea" in line
    assert "of 4.2 for an alarm" in line


def test_an_alarm_is_named() -> None:
    found = noticed(0.5)
    assert found.watch.alarms == ("novelty",)
    assert noticed_line(found).startswith("generation 2 differs (novelty) from the 10,000 documents")


def test_an_accuracy_has_its_interval_and_what_it_leaves_out() -> None:
    line = accuracy_line("generation 2", "round-0003", Estimate(0.8, 0.66, 0.89, 45), 0.6, 5)
    assert line == (
        "accuracy of round-0003 on 45 random documents of generation 2: 80.0% [66.0, 89.0] (95 % interval), and at "
        "least 60.0% however often one looks; 5 more have no label"
    )


def test_the_json_form_is_plain() -> None:
    outcome = Outcome("person", ("a", "b"), "round-0003", accuracy=Estimate(0.8, 0.66, 0.89, 45), lower=0.6)
    found = json.loads(json.dumps(to_json(outcome)))
    assert (found["state"], found["accuracy"]["n"], found["decision"], found["words"]) == (
        "person",
        45,
        None,
        ["a", "b"],
    )


def test_an_earlier_alarm_is_not_that_of_a_later_generation() -> None:
    first, second = noticed(0.5), noticed(0.01)
    later = replace(second, watch=first.watch, before=("novelty",))
    line = noticed_line(later)
    assert line.startswith(
        "generation 2 comes after an alarm (novelty), and gives no further one; compared with the 10,000 documents "
        "before: confidence"
    )
