"""Temperature scaling against SciPy's optimiser and known temperatures."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as reference_softmax

from laud_ray.stats.calibration import fit_temperature, softmax
from laud_ray.types import Floats, Indices


def drawn(temperature: float, n: int, k: int = 5, seed: int = 0) -> tuple[Floats, Indices]:
    """Return logits, and targets drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(n, k))
    gumbel = -np.log(-np.log(rng.random((n, k))))
    return logits, (logits / temperature + gumbel).argmax(axis=1)


def loss(temperature: float, logits: Floats, targets: Indices) -> float:
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(targets)), targets].mean())


def test_softmax_agrees_with_scipy() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 7)) * 10
    assert softmax(logits) == pytest.approx(reference_softmax(logits, axis=1))


def test_softmax_of_huge_logits_is_finite() -> None:
    assert softmax(np.array([[1e4, 1e4, -1e4]])).tolist() == [[0.5, 0.5, 0]]


def test_softmax_keeps_the_dtype_and_its_input() -> None:
    logits = np.array([[1, 2]], np.float32)
    assert softmax(logits).dtype == np.float32
    assert logits.tolist() == [[1, 2]]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0, 10.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature, 20_000)) == pytest.approx(temperature, rel=0.08)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipys_minimum(seed: int) -> None:
    logits, targets = drawn(2.0, 50, seed=seed)
    best = minimize_scalar(
        lambda log_t: loss(np.exp(log_t), logits, targets),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert fit_temperature(logits, targets) == pytest.approx(np.exp(best.x), rel=1e-4)


def test_one_document_gives_a_bound() -> None:
    logits = np.array([[2.0, 0.0]])
    assert fit_temperature(logits, np.array([0])) == pytest.approx(0.05)
    assert fit_temperature(logits, np.array([1])) == pytest.approx(20)
    assert fit_temperature(logits * 1e4, np.array([0])) == pytest.approx(0.05)


def test_the_temperature_stays_within_its_bounds() -> None:
    for scale in (1e-6, 1e6):
        logits, targets = drawn(1.0, 100)
        assert 0.05 <= fit_temperature(logits * scale, targets) <= 20


def test_logits_that_say_nothing_give_one() -> None:
    assert fit_temperature(np.full((3, 4), 7.0), np.array([0, 1, 2])) == 1.0


def test_errors_name_the_value_and_the_bound() -> None:
    logits = np.zeros((2, 3))
    with pytest.raises(ValueError, match="got 2 rows of logits and 1 targets"):
        fit_temperature(logits, np.array([0]))
    with pytest.raises(ValueError, match="got 0 rows of logits and 0 targets; expected the same number, at least 1"):
        fit_temperature(logits[:0], np.array([], int))
    with pytest.raises(ValueError, match=r"label 3 is outside \[0, 3\)"):
        fit_temperature(logits, np.array([0, 3]))
    with pytest.raises(ValueError, match="1 logits are not finite"):
        fit_temperature(np.array([[0.0, np.nan]]), np.array([0]))


def test_a_prior_pulls_the_temperature_to_one() -> None:
    """Against a grid search of the penalised loss, and towards 1 as the prior narrows."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, 4)) * 3
    targets = np.asarray([rng.choice(4, p=row) for row in softmax(logits / 2)])
    free = fit_temperature(logits, targets)
    fitted = [fit_temperature(logits, targets, prior=prior) for prior in (10.0, 0.1, 0.01)]
    grid = np.exp(np.linspace(np.log(0.5), np.log(20), 4000))
    losses = [-np.log(softmax(logits / t)[np.arange(60), targets]).sum() + np.log(t) ** 2 / (2 * 0.1**2) for t in grid]
    assert fitted[1] == pytest.approx(grid[int(np.argmin(losses))], rel=2e-3)
    assert free > fitted[0] > fitted[1] > fitted[2] > 1
