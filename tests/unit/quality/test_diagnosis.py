"""What is said of synthetic runs that fail in known ways, and of those that do not."""

from collections.abc import Sequence

import numpy as np
import pytest

from laud_ray.quality.diagnosis import Finding, Reply, diagnose
from laud_ray.types import ClassFigures, Estimate, Figures, RoundResult

CLASSES = tuple(f"class {i}" for i in range(20))


def closed(
    number: int,
    f1: float,
    *,
    kappa: float = 0.99,
    calibration_error: float = 0.04,
    half_width: float = 0.05,
    supports: Sequence[int] = (15,) * 20,
) -> RoundResult:
    estimate = Estimate(f1, max(f1 - half_width, 0.0), min(f1 + half_width, 1.0), 300)
    per_class = tuple(ClassFigures(name, n, f1, f1, f1) for name, n in zip(CLASSES, supports, strict=False))
    return RoundResult(
        number=number,
        model=f"round-{number:04}",
        annotations=50 * number,
        budget=500,
        pool=10_000,
        figures=Figures(300, estimate, estimate, calibration_error, per_class),
        kappa=kappa if number else None,
        accepted=True,
        seconds={},
    )


def history(*f1: float, kappa: float = 0.99, supports: Sequence[int] = (15,) * 20) -> list[RoundResult]:
    return [closed(number, value, kappa=kappa, supports=supports) for number, value in enumerate(f1)]


def replies(
    rounds: int, surprise: float, *, seed: int = 0, each: int = 50, confidence: float = 0.5, classes: int = 20
) -> list[Reply]:
    """Return the answers to random queries of each trained round, of which the given share are surprises."""
    rng = np.random.default_rng(seed)
    found = []
    for round in range(1, rounds + 1):
        for surprised in rng.permutation(np.arange(each) < round_half(surprise * each)):
            predicted = int(rng.integers(classes))
            label = (predicted + 1) % classes if surprised else predicted
            text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 14))
            found.append(Reply(round, "query", text, CLASSES[predicted], confidence, CLASSES[label]))
    return found


def round_half(value: float) -> int:
    return int(value + 0.5)


def names(found: Sequence[Finding]) -> list[str]:
    return [finding.name for finding in found]


RISING = (0.4, 0.55, 0.63, 0.69, 0.73, 0.76, 0.78)
FLAT = (0.4, 0.6, 0.7, 0.7, 0.701, 0.7)


@pytest.mark.parametrize("rounds", range(8))
def test_a_healthy_run_of_any_length_is_left_alone(rounds: int) -> None:
    assert diagnose(history(*RISING[:rounds], kappa=0.8), replies(rounds - 1, 0.5)) == ()


def test_a_run_that_has_converged_is_left_alone() -> None:
    assert diagnose(history(*FLAT, kappa=0.99), replies(5, 0.5)) == ()


@pytest.mark.parametrize("seed", range(20))
def test_noise_within_the_intervals_is_left_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noisy = [value + rng.normal(0, 0.05 / 1.96 / 2) for value in (*RISING, *(0.79 + 0.01 * i for i in range(6)))]
    assert diagnose(history(*noisy, kappa=0.95), replies(12, 0.5, seed=seed)) == ()


def test_a_flat_curve_of_models_that_still_differ_is_an_early_plateau() -> None:
    (finding,) = diagnose(history(*FLAT, kappa=0.7), replies(5, 0.5))
    assert finding.name == "early_plateau"
    assert finding.evidence == (
        "the last 3 rounds changed the best macro-F1 by +0.1 points, while the models still differ "
        "(kappa 0.70 from round to round; settled ones have 0.99)"
    )
    assert "query.diversity kmeans" in finding.remedy
    # Four trained rounds are too few to speak of a plateau.
    assert diagnose(history(0.4, 0.7, 0.7, 0.7, 0.7, kappa=0.7), replies(4, 0.5)) == ()


def test_a_flat_curve_with_queries_of_few_classes_is_an_early_plateau() -> None:
    (finding,) = diagnose(history(*FLAT), replies(5, 0.5, classes=4))
    assert finding.name == "early_plateau"
    assert "150 recent answers cover effectively 4.0 classes" in finding.evidence
    assert "about 20.0" in finding.evidence
    # Where the classes are few by nature, or the task is binary, that is no sign.
    assert diagnose(history(*FLAT, supports=(100, 80, 60, 60)), replies(5, 0.5, classes=4)) == ()
    assert diagnose(history(*FLAT, supports=(290, 10)), replies(5, 0.5, classes=2)) == ()


def test_a_flat_curve_with_near_duplicates_is_an_early_plateau() -> None:
    asked = replies(5, 0.5)
    twins = [Reply(4, "query", reply.text.upper(), reply.predicted, 0.5, reply.label) for reply in asked[:40]]
    (finding,) = diagnose(history(*FLAT), [*asked, *twins])
    assert "40 of 190 recent queries are near-duplicates" in finding.evidence


def test_figures_that_swing_beyond_their_intervals_are_high_variance() -> None:
    (finding,) = diagnose(history(0.4, 0.7, 0.55, 0.72, 0.6, 0.78), ())
    assert finding.name == "high_variance"
    assert "macro-F1 fell 2 times by more than its intervals allow: 70.0 % [65.0, 75.0] to 55.0 %" in finding.evidence
    assert diagnose(history(0.4, 0.7, 0.55, 0.72, 0.74), ()) == ()  # once is chance


def test_answers_against_a_sure_and_calibrated_model_are_high_variance() -> None:
    sure = replies(4, 0.2, confidence=0.95)
    (finding,) = diagnose(history(*RISING[:6]), sure)
    assert finding.name == "high_variance"
    assert "40 of 200 answers contradict a model whose confidence was at least 90%" in finding.evidence
    assert diagnose(history(*RISING[:6]), replies(4, 0.06, confidence=0.95)) == ()
    # Fewer than thirty say nothing, and a model whose confidence is wrong on the evaluation sample is to blame itself.
    assert diagnose(history(*RISING[:6]), replies(1, 0.2, each=25, confidence=0.95)) == ()
    overconfident = [closed(i, f1, calibration_error=0.2) for i, f1 in enumerate(RISING[:6])]
    assert diagnose(overconfident, sure) == ()


def test_one_text_with_two_answers_is_high_variance() -> None:
    def pair(i: int, other: str) -> list[Reply]:
        texts = (f"Milk, {i} l", f"milk {i} L")
        return [Reply(1, "query", text, None, None, label) for text, label in zip(texts, ("Milk", other), strict=True)]

    inconsistent = [reply for i in range(12) for reply in pair(i, "Soap" if i % 3 == 0 else "Milk")]
    (finding,) = diagnose(history(*RISING[:3]), inconsistent)
    assert "of 12 pairs of texts that differ only in case or punctuation, 4 got different answers" in finding.evidence
    assert diagnose(history(*RISING[:3]), [reply for i in range(12) for reply in pair(i, "Milk")]) == ()
    assert diagnose(history(*RISING[:3]), inconsistent[:12]) == ()


def test_queries_that_surprise_no_more_than_random_ones_are_diminishing_returns() -> None:
    (finding,) = diagnose(history(*FLAT), replies(5, 0.2))
    assert finding.name == "diminishing_returns"
    assert finding.evidence.startswith(
        "30 of 150 recent answers (20%) differed from the model's prediction, no more than for random documents (30%)"
    )
    # Not while the curve rises, nor from a few answers, nor from abstentions.
    assert diagnose(history(*RISING), replies(6, 0.1)) == ()
    assert diagnose(history(*FLAT), replies(5, 0.2, each=10)) == ()
    silent = [Reply(r.round, r.purpose, r.text, r.predicted, r.confidence, None) for r in replies(5, 0.2)]
    assert diagnose(history(*FLAT), silent) == ()


def test_figures_that_fall_while_confidence_rises_are_overfitting() -> None:
    errors = (0.1, 0.05, 0.04, 0.04, 0.12, 0.15)
    f1 = (0.4, 0.7, 0.8, 0.78, 0.68, 0.66)
    rounds = [closed(i, value, calibration_error=e) for i, (value, e) in enumerate(zip(f1, errors, strict=True))]
    (finding,) = diagnose(rounds, ())
    assert finding.name == "overfitting"
    assert finding.evidence == (
        "macro-F1 is 66.0 % [61.0, 71.0] in round 5, against 80.0 % [75.0, 85.0] in round 2 with 150 fewer "
        "annotations, and the calibration error rose from 4.0 % to 15.0 %"
    )
    assert "laud promote RUN round-0002" in finding.remedy
    assert diagnose(rounds[:-1], ()) == ()  # one round may be bad luck
    calibrated = [closed(i, value) for i, value in enumerate(f1)]
    assert diagnose(calibrated, ()) == ()


def test_figures_that_are_not_known_are_no_evidence() -> None:
    unknown = history(*[float("nan")] * 8, kappa=0.5)
    assert diagnose(unknown, replies(7, 0.1)) == ()
    assert names(diagnose([], ())) == []
