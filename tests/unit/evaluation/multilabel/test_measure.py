import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from laud_ray.errors import RunError
from laud_ray.evaluation.agreement import agreement
from laud_ray.evaluation.enlarge import _of_sets
from laud_ray.evaluation.measure import NOT_SCORED, evaluate, predicted_sets
from laud_ray.evaluation.strata import Population
from laud_ray.label_sets import LabelSet
from laud_ray.storage.folder import Folder
from tests.unit.evaluation.multilabel.passes import NAMES, TASK, drawn, scored

PROBA = np.array([[0.9, 0.2, 0.6], [0.1, 0.2, 0.3], [0.8, 0.7, 0.1], [0.9, 0.9, 0.9]])


def test_predicted_sets_of_a_pass(tmp_path: Path) -> None:
    found = predicted_sets(scored(tmp_path, PROBA, errors=[3]), drawn(4), NAMES)
    assert found.texts == ['["Coffee","Tea"]', "[]", '["Coffee","Milk"]', None]
    assert found.scored.tolist() == [True, True, True, False]
    assert found.confidence[:2] == pytest.approx([0.9 * 0.8 * 0.6, 0.9 * 0.8 * 0.7])
    assert found.proba[2] == pytest.approx(PROBA[2])


def test_answers_are_sets_and_an_empty_one_is_an_answer(tmp_path: Path) -> None:
    answers = {"d0": '["Tea"]', "d1": "[]", "d2": None, "d3": '["Tea"]'}
    found = evaluate(scored(tmp_path, PROBA, errors=[3]), drawn(4, size=400), answers, TASK, seed=0)
    assert found.multilabel is not None
    assert (found.n, found.unanswered) == (2, {"abstained": 1, NOT_SCORED: 1})
    assert (found.accuracy.value, found.multilabel.micro_precision.value) == (0.5, 0.5)
    assert found.multilabel.micro_recall.value == 1.0
    assert found.compared == found.multilabel.micro_f1
    assert [row.label for row in found.per_class] == list(NAMES)


def test_without_any_answer(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="gave no label for any of 2 documents"):
        evaluate(scored(tmp_path, PROBA), drawn(2), {"d0": None}, TASK, seed=0)


def test_trusted_answers_decide(tmp_path: Path) -> None:
    """The run's own oracle says the opposite of the truth, and the figures are those of the truth all the same."""
    rng = np.random.default_rng(0)
    proba = rng.random((400, 3))
    truth = [LabelSet.of(np.array(NAMES)[row > 0.5].tolist()).text for row in proba]
    wrong = [LabelSet.of(np.array(NAMES)[row <= 0.5].tolist()).text for row in proba]
    answers = {f"d{i}": text for i, text in enumerate(wrong)}
    trusted = {f"d{i}": text for i, text in enumerate(truth[:60])}
    scores, sample = scored(tmp_path, proba), drawn(400, size=4000)
    found = evaluate(scores, sample, answers, TASK, seed=0, trusted=trusted)
    assert found.multilabel is not None
    assert (found.n, found.trusted) == (400, 60)
    assert found.multilabel.micro_f1.value > 0.9
    assert evaluate(scores, sample, answers, TASK, seed=0).compared.value == 0.0


def test_agreement_is_over_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one, other = rng.random((50, 3)), rng.random((50, 3))
    before, after = scored(tmp_path / "a", one, errors=[0]), scored(tmp_path / "b", other, errors=[1])
    kappa, change = agreement(before, after, drawn(50), TASK)
    a, b = (one[2:] >= 0.5).ravel(), (other[2:] >= 0.5).ravel()
    assert kappa == pytest.approx(cohen_kappa_score(a, b))
    assert change == pytest.approx(1 - f1_score(a, b))
    assert agreement(before, before, drawn(50), TASK) == (1.0, 0.0)


def test_answers_about_some_labels_count_where_they_were_asked(tmp_path: Path) -> None:
    """No document was asked about whole, so that nobody knows how often a whole set is right."""
    answers = {"d0": '{"no":["Milk"],"yes":["Tea"]}', "d1": '{"no":["Tea"],"yes":["Coffee"]}'}
    found = evaluate(scored(tmp_path, PROBA), drawn(4, size=400), answers, TASK, seed=0)
    assert found.multilabel is not None
    assert (found.multilabel.micro_precision.value, found.multilabel.micro_recall.value) == (1.0, 0.5)
    assert (found.accuracy.n, found.accuracy.high) == (0, 1.0)
    assert math.isnan(found.calibration_error)
    population = Population(None, lambda round: Folder(str(tmp_path)), None)  # type: ignore[arg-type]
    _, right, known = _of_sets(population, drawn(4), answers, NAMES, 1)
    assert right[:2].tolist() == [True, False]
    assert known.tolist() == [True, True, False, False]
