"""The study's arithmetic: what its tables claim must follow from the curves."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_labels_needed_lie_on_the_line_between_two_points() -> None:
    from study_report import labels_needed

    n, curve = np.array([100.0, 200, 300]), np.array([0.4, 0.6, 0.5])
    assert labels_needed(n, curve, 0.5) == pytest.approx(150)
    assert labels_needed(n, curve, 0.3) == 100
    assert labels_needed(n, curve, 0.7) is None


def test_a_table_compares_with_random_on_its_grid() -> None:
    from study_report import table

    keys = {"data": "d", "learner": "linear", "budget": 200, "batch": 100}
    runs = [
        {**keys, "strategy": "random", "seed": seed, "curve": [[100, 0.5, 0.3], [200, 0.6, 0.4 + seed / 100]]}
        for seed in range(2)
    ]
    runs += [
        {**keys, "strategy": "margin", "seed": seed, "curve": [[100, 0.5, 0.28], [200, 0.7, 0.6 + seed / 50]]}
        for seed in range(2)
    ]
    best = table([*runs, {**keys, "strategy": "all", "seed": 0, "curve": [[900, 0.9, 0.6]]}])[0]
    assert best["strategy"] == "margin"
    assert best["worst point"] == "-2.0 at 100"
    # margin goes from 0.28 to 0.61 and passes 0.54, nine tenths of all, and 0.405, what random ends with.
    assert best["labels for 90% of all"] == f"{100 + 100 * 26 / 33:.0f}"
    assert best["annotations / random's"] == f"{(100 + 100 * 12.5 / 33) / 200:.2f}"


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    import results

    path = tmp_path / "results.jsonl"
    results.append(path, {"seed": 0})
    with open(path, "ab") as file:
        file.write(b'{"seed": 1, "cur')
    results.append(path, {"seed": 2})
    assert results.read(path) == [{"seed": 0}, {"seed": 2}]


def test_one_file_is_split_without_a_text_on_both_sides(tmp_path: Path) -> None:
    from labelled_sets import read_set

    texts = [f"name {i % 40}" for i in range(80)]
    pq.write_table(pa.table({"text": texts, "label": ["a", "b"] * 40}), tmp_path / "one.parquet")
    found = read_set(tmp_path / "one.parquet", seed=3)
    assert (len(found.texts), len(found.test_texts)) == (32, 8)
    assert not set(found.texts) & set(found.test_texts)


def test_a_threshold_is_the_least_that_keeps_the_bound() -> None:
    from laud_table import threshold

    # 20 right ones in a row: Wilson's bound at one standard error is 20 / 21 = 0.952; with a wrong one, 0.882.
    score = np.linspace(1, 0.5, 25)
    positive = np.arange(25) < 20
    assert threshold(score, positive, 0.95) == score[19]
    assert threshold(score, positive, 0.88) == score[20]
