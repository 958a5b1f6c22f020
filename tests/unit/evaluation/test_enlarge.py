"""How the evaluation sample grows: cuts that can be made again, and two phases that make one sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from laud_ray import config
from laud_ray.data.sharding.normalise import normalise
from laud_ray.evaluation import draw
from laud_ray.evaluation.enlarge import extend, needed, right_on_average
from laud_ray.evaluation.measure import predictions
from laud_ray.evaluation.strata import Cut, Population, dump_cuts, load_cuts
from laud_ray.stats import Sample, estimate_accuracy, estimate_classes
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.types import Estimate, Floats, Label, Task
from tests.rare import DOCUMENTS, NAMES, score_of, truth, write_catalog, write_scores

TASK = Task("rare", "binary", tuple(map(Label, NAMES)))


def test_two_phases_estimate_the_population(tmp_path: Path) -> None:
    write_catalog(tmp_path / "names.parquet")
    settings = config.CorpusConfig(path=str(tmp_path / "names.parquet"), text="text", id="id")
    corpus = normalise(settings, Folder(str(tmp_path / "corpus")))
    scores = [Folder(str(tmp_path / f"scores{round}")) for round in (0, 1)]
    for round in (0, 1):
        write_scores(corpus, scores[round], round)
    answers: dict[str, str | None] = {f"d{n}": NAMES[not truth(n)] for n in range(DOCUMENTS)}
    given = {n: score_of(n, 1) >= 0.5 for n in range(DOCUMENTS)}
    accuracy = np.mean([given[n] == truth(n) for n in range(DOCUMENTS)])
    values: list[float] = []
    covered: list[bool] = []
    everything = Population(corpus, lambda round: scores[round], "Tea")
    cut = draw.cut(everything, 0, [3])
    for seed in range(25):
        first = draw.draw(replace(everything, cuts=(cut,)), 60, seed=(seed, 1))
        both = extend(replace(everything, cuts=(cut,)), first, answers, TASK, 90, round=1, seed=(seed, 2))
        label, confidence = predictions(scores[1], both.sample, NAMES)
        true = np.array([NAMES.index(str(answers[one.document_id])) for one in both.sample])
        strata = np.array([one.stratum for one in both.sample])
        sizes = {one.stratum: one.stratum_size for one in both.sample}
        found = Sample(true, label, confidence, strata, sizes)
        right, tea = estimate_accuracy(found), estimate_classes(found, 2)[0].prevalence
        values.append(right.value)
        covered += [right.low <= accuracy <= right.high, tea.low <= 1 / 15 <= tea.high]
    assert abs(np.mean(values) - accuracy) < 3.5 * np.std(values) / np.sqrt(len(values))
    assert np.mean(covered) > 0.9


def test_a_cut_is_made_again_from_what_is_stored() -> None:
    cuts = (Cut(0, ((0.2, 0.6),)), Cut(3, ((), (0.5,), (0.1, 0.9))))
    assert load_cuts(dump_cuts(cuts)) == cuts
    assert load_cuts(None) == ()
    stratum = cuts[0].divide(np.zeros(4, np.int64), np.array([0.1, 0.2, 0.59, 0.7]))
    assert stratum.tolist() == [0, 1, 1, 2]
    assert cuts[1].divide(stratum, np.array([0.99, 0.4, 0.5, 0.95])).tolist() == [0, 1, 2, 5]
    assert cuts[1].strata == 6


def test_scores_are_made_right_on_average() -> None:
    score: Floats = np.full(99, 0.5)
    hit = np.arange(99) < 24
    shift = right_on_average(score, hit, np.ones(99))
    assert expit(shift) == pytest.approx(24.5 / 100)
    assert abs(right_on_average(np.full(9, 1e-9), np.ones(9, np.bool_), np.ones(9))) == 10


def test_the_answers_that_a_width_needs() -> None:
    drawn = [Sampled("p", i, f"d{i}", i % 2, 500) for i in range(100)]
    assert needed(Estimate(0.5, 0.4, 0.6, 100), 0.1, drawn) == 400
    assert needed(Estimate(0.5, 0.4, 0.6, 100), 0.01, drawn) == 1000
