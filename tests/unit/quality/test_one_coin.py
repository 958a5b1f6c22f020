"""Annotators' accuracies and documents' labels, against crowd-kit and against what was planted."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import OneCoinDawidSkene

from laud_ray.quality.one_coin import Given, one_coin


def simulated(
    rng: np.random.Generator, right: dict[str, float], *, documents: int, each: int, classes: int
) -> tuple[list[Given], dict[str, str]]:
    truth = {f"d{i}": f"c{rng.integers(classes)}" for i in range(documents)}
    given = []
    for name, label in truth.items():
        for who in rng.permutation(list(right))[:each]:
            wrong = [f"c{j}" for j in range(classes) if f"c{j}" != label]
            given.append(Given(name, str(who), label if rng.random() < right[str(who)] else str(rng.choice(wrong))))
    return given, truth


def test_without_gold_and_prior_it_is_crowd_kit_s() -> None:
    """Every class is named, so that crowd-kit counts as many classes; its class prior is all but even here."""
    rng = np.random.default_rng(0)
    given, _ = simulated(rng, {"a": 0.95, "b": 0.85, "c": 0.7, "d": 0.6}, documents=3000, each=3, classes=4)
    found = one_coin(given, 4, prior=(0.0, 0.0))
    table = pd.DataFrame(
        [(one.document, one.annotator, one.label) for one in given], columns=["task", "worker", "label"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # crowd-kit's own use of pandas
        theirs = OneCoinDawidSkene(n_iter=200, tol=1e-9).fit(table)
    for name, skill in theirs.skills_.items():
        assert found.accuracy[str(name)].value == pytest.approx(skill, abs=0.01)
    labels = {name: max(proba, key=lambda label: proba[label]) for name, proba in found.proba.items()}
    agree = np.mean([labels[str(name)] == label for name, label in theirs.labels_.items()])
    assert agree > 0.99


def test_intervals_cover_planted_accuracies_with_many_classes() -> None:
    """Where two of 100 classes differ, nobody knows who erred: that has to be in the interval."""
    right, covered, labelled = {"a": 0.95, "b": 0.9, "c": 0.8}, 0, []
    for seed in range(60):
        given, truth = simulated(np.random.default_rng(seed), right, documents=300, each=2, classes=100)
        found = one_coin(given, 100)
        covered += sum(
            found.accuracy[name].low <= planted <= found.accuracy[name].high for name, planted in right.items()
        )
        sure = {name: proba for name, proba in found.proba.items() if max(proba.values()) > 0.9}
        labelled.append(
            np.mean([max(proba, key=lambda one: proba[one]) == truth[name] for name, proba in sure.items()])
        )
    assert 0.9 <= covered / 180 <= 0.99
    assert np.mean(labelled) > 0.98


def test_gold_measures_somebody_who_answers_alone() -> None:
    given = [Given(f"d{i}", "ann", "tea" if i < 8 else "milk") for i in range(10)]
    found = one_coin(given, 5, gold={f"d{i}": "tea" for i in range(10)})
    assert found.accuracy["ann"].n == 10
    assert found.accuracy["ann"].value == pytest.approx((8 + 9) / (10 + 10))
    assert found.proba["d9"] == {"tea": 1.0}


def test_answers_that_nobody_can_confirm_say_nothing() -> None:
    found = one_coin([Given(f"d{i}", "ann", "tea") for i in range(50)], 5)
    assert found.accuracy["ann"].n == 0
    assert found.accuracy["ann"].value == pytest.approx(0.9)
    assert found.accuracy["ann"].low < 0.75
    assert found.proba["d0"]["tea"] == pytest.approx(0.9)


def test_no_answers_at_all() -> None:
    assert one_coin([], 5).accuracy == {}


def test_thousands_of_labels_take_memory_for_the_answers_only() -> None:
    """20,000 documents times 30,000 labels would be 4.8 GB."""
    rng = np.random.default_rng(0)
    truth = rng.integers(30_000, size=20_000)
    given = [
        Given(f"d{i}", who, f"c{label if rng.random() < right else rng.integers(30_000)}")
        for who, right in (("a", 0.9), ("b", 0.7))
        for i, label in enumerate(truth.tolist())
    ]
    tracemalloc.start()
    found = one_coin(given, 30_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    # Two agree on what both have right; which of two that differ is right cannot be known.
    assert found.accuracy["a"].value * found.accuracy["b"].value == pytest.approx(0.63, abs=0.02)
