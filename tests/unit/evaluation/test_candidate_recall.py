"""How often the list of a language model holds the right leaf, weighted by strata."""

from pathlib import Path

import pytest

from laud_ray import config as configuration
from laud_ray.evaluation.candidate_recall import candidate_recall, list_size
from laud_ray.oracles.trees.candidates import Candidates
from laud_ray.store.round_results import record_candidates, recorded_candidates
from laud_ray.store.store import Sampled, Store
from laud_ray.types import CandidateRecall, Estimate
from tests.unit.oracles.test_votes import PATHS, SIZE, TASK, Encoder, wanting


def test_the_recall_is_weighted_and_counts_answers_above_the_leaves(tmp_path: Path) -> None:
    assert TASK.taxonomy is not None
    # The encoder lists its guess and the eleven leaves after it.
    rights = [PATHS[3], PATHS[11], PATHS[12], "branch 00", "branch 07", None]
    texts = {f"d{i}": wanting("", guess=PATHS[0]).text for i in range(6)}
    drawn = [Sampled("r", i, f"d{i}", int(i > 2), 100 if i > 2 else 300) for i in range(6)]
    answers = dict(zip(texts, rights, strict=True))
    candidates = Candidates(TASK, SIZE, (), Encoder)
    found = candidate_recall(TASK.taxonomy, drawn, texts, answers, candidates)
    assert found is not None
    # Two of three in the stratum of 300, one of two answers in that of 100.
    assert found.value == pytest.approx((300 * 2 / 3 + 100 / 2) / 400)
    assert 0 < found.low < found.value < found.high < 1
    assert found.n == 5
    assert candidate_recall(TASK.taxonomy, drawn, texts, {}, candidates) is None


def test_the_last_recall_is_kept(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    assert recorded_candidates(store) is None
    for round in (0, 1):
        record_candidates(store, CandidateRecall(round, 50, Estimate(0.8, 0.7, 0.9, 120)))
    assert recorded_candidates(store) == CandidateRecall(1, 50, Estimate(0.8, 0.7, 0.9, 120))


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ("oracle: {kind: replay, label: label}", [None, None]),
        ("oracle: {kind: llm, engine: openai, model: m, shortlist: 30}", [(30, True)] * 2),
        (
            "oracle: {kind: replay, label: label}\nzero_shot: {engine: vllm, model: m}\n"
            "learner: {kind: in_context, model: m, max_labels: 20}",
            [(64, False), (20, False)],
        ),
    ],
)
def test_lists_have_a_size_where_a_language_model_chooses(
    sections: str, expected: list[tuple[int, bool] | None]
) -> None:
    text = f"task: {{name: t, labels: [a, b]}}\ncorpus: {{path: p.csv, text: text}}\nstorage: runs/t\n{sections}\n"
    config = configuration.parse(text)
    assert [list_size(config, round, 360) for round in (0, 1)] == expected
    assert list_size(config, 0, 12) is None
