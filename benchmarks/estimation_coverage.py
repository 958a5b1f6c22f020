"""Coverage and width of the 95 % intervals of laud_ray.stats, by simulation. NumPy only, one core.

    .venv/bin/python benchmarks/estimation_coverage.py [--repetitions 2000]

A population of 20,000 documents has scores of a model (of three kinds), from which its predictions and the strata are
derived, and answers of a language model with a recall of 90 % and a false positive rate of 2 %. Each repetition draws n
documents with their true labels, uniformly or stratified as `laud run` does for a binary task. For prediction-powered
shares (PPI), these are a random part of 5 n documents that the language model answers. A share is covered if its true
value in the population lies in the interval.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit
from scipy.stats import binom

from laud_ray.stats import allocate_robustly, boundaries, share_limits
from laud_ray.stats.estimates.powered import HIT, MISS, NEITHER, Share, powered_factor, powered_limits, unseen_events
from laud_ray.types import Bools, Floats, Indices

DOCUMENTS = 20_000
STRATA = 3
PREVALENCES = (0.005, 0.02, 0.1, 0.5)
SIZES = (50, 100, 200, 500)
SENSITIVITY, FALSE_ALARMS = 0.9, 0.02
HEARD = 5  # documents that the language model answers, for each with the truth
# What a share makes of a document, by its label and the model's answer.
KINDS: dict[Share, tuple[tuple[int, int], tuple[int, int]]] = {
    "prevalence": ((MISS, MISS), (HIT, HIT)),
    "precision": ((NEITHER, MISS), (NEITHER, HIT)),
    "recall": ((NEITHER, NEITHER), (MISS, HIT)),
    "jaccard": ((NEITHER, MISS), (MISS, HIT)),
}
PLAIN = ("prevalence", "precision", "recall", "F1")
FIGURES = (*PLAIN, *(f"PPI {name}" for name in PLAIN))
ROUNDING = 1e-9


@dataclass(frozen=True)
class Model:
    """The distance of the scores of the two classes, in standard deviations, and how the model derives predictions."""

    name: str
    apart: float
    steepness: float = 1.0
    shift: float = 0.0


MODELS = (
    Model("good", 3.0),
    Model("fair", 2.0),
    Model("overconfident", 2.0, steepness=2.0),
    Model("biased", 2.0, shift=-1.5),
)


@dataclass(frozen=True)
class Population:
    """(H, 2, 2, 2) documents by stratum, truth, the model's answer and the language model's; (H,) what to draw."""

    cells: Indices
    draw: Indices


def scored(prevalence: float, model: Model, rng: np.random.Generator) -> tuple[Indices, Floats]:
    """Return (N,) true labels, and the model's (N,) probabilities of the positive class."""
    true = (np.arange(DOCUMENTS) < round(DOCUMENTS * prevalence)).astype(np.int64)
    evidence = rng.normal(size=DOCUMENTS) + model.apart * true
    logit = model.apart * evidence - model.apart**2 / 2 + np.log(prevalence / (1 - prevalence))
    return true, expit(logit * model.steepness + model.shift)


def population(true: Indices, proba: Floats, n: int, strata: int, rng: np.random.Generator) -> Population:
    """Stratify the documents, and allocate n draws to the strata."""
    bins = 10_000
    place = np.minimum((proba * bins).astype(np.int64), bins - 1)
    edges = boundaries(np.bincount(place, minlength=bins), strata)
    stratum = np.searchsorted(edges, place, side="right")
    heard = np.where(true == 1, rng.random(DOCUMENTS) < SENSITIVITY, rng.random(DOCUMENTS) < FALSE_ALARMS).astype(int)
    cells = np.zeros((len(edges) + 1, 2, 2, 2), np.int64)
    np.add.at(cells, (stratum, true, (proba >= 0.5).astype(int), heard), 1)
    sizes = cells.sum((1, 2, 3))
    variance = np.bincount(stratum, proba * (1 - proba), minlength=len(sizes)) / np.maximum(sizes, 1)
    return Population(cells, allocate_robustly(sizes, variance, n))


def limits(cells: Floats, alone: Floats, world: Population) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Estimate every figure from (R, H, 2, 2, 2) counts of R samples; `alone`, (R, H, 2, 2), lack the truth."""
    sizes, sampled = world.cells.sum((1, 2, 3)).astype(float), world.draw.astype(float)
    unseen = np.maximum(sizes - sampled, 1) / np.maximum(sizes - 1, 1)
    design = (sizes, sampled, unseen)
    by_model = cells.sum(-1)
    missed, found, false = by_model[..., 1, 0], by_model[..., 1, 1], by_model[..., 0, 1]
    given = found + false > 0
    not_given, anything = found + false < sampled, np.ones_like(given)
    jaccard = share_limits(found, missed + false, *design, given, anything)
    powered = {
        f"PPI {'F1' if kind == 'jaccard' else kind}": powered_share(kind, cells, alone, sizes, given, not_given)
        for kind in KINDS
    }
    return {
        "prevalence": share_limits(found + missed, sampled - found - missed, *design, anything, anything),
        "precision": share_limits(found, false, *design, given, given),
        "recall": share_limits(found, missed, *design, given, not_given),
        "F1": (2 * jaccard[0] / (1 + jaccard[0]), 2 * jaccard[1] / (1 + jaccard[1]), 2 * jaccard[2] / (1 + jaccard[2])),
        **powered,
    }


def powered_share(
    share: Share, cells: Floats, alone: Floats, sizes: Floats, given: Bools, not_given: Bools
) -> tuple[Floats, Floats, Floats]:
    """Estimate a share by prediction-powered inference with the language model's answers."""
    kinds = KINDS[share]
    table, rest = np.zeros((*cells.shape[:2], 3, 3)), np.zeros((*cells.shape[:2], 3))
    for model, heard in product((0, 1), repeat=2):
        rest[..., kinds[heard][model]] += alone[..., model, heard]
        for true in (0, 1):
            table[..., kinds[true][model], kinds[heard][model]] += cells[..., true, model, heard]
    factor = powered_factor(table, rest, sizes)
    found = powered_limits(table, rest, sizes, factor, *unseen_events(share, given, not_given))
    value, low, high = found if share != "jaccard" else tuple(2 * one / (1 + one) for one in found)
    return value, low, high


def truths(world: Population) -> dict[str, float]:
    by_model = world.cells.sum((0, 3))
    missed, found, false = by_model[1, 0], by_model[1, 1], by_model[0, 1]
    prevalence = (missed + found) / DOCUMENTS
    plain = {
        "prevalence": prevalence,
        "precision": found / (found + false) if found + false else np.nan,
        "recall": found / (found + missed),
        "F1": 2 * found / (2 * found + missed + false),
    }
    return {**plain, **{f"PPI {name}": value for name, value in plain.items()}}


def simulate(world: Population, repetitions: int, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Return each figure's coverage and mean width over the repetitions."""
    heard = [
        rng.multivariate_hypergeometric(cells.ravel(), min(HEARD * int(n), int(cells.sum())), size=repetitions)
        for cells, n in zip(world.cells, world.draw, strict=True)
    ]
    drawn = [part(among, int(n), rng) for among, n in zip(heard, world.draw, strict=True)]
    every, cells = (
        np.stack(one, axis=1).reshape(repetitions, len(drawn), 2, 2, 2).astype(float) for one in (heard, drawn)
    )
    true, found = truths(world), {}
    for figure, (_, low, high) in limits(cells, (every - cells).sum(-3), world).items():
        inside = (low <= true[figure] + ROUNDING) & (true[figure] <= high + ROUNDING)
        found[figure] = (float(inside.mean()), float((high - low).mean()))
    return found


def part(among: Indices, n: int, rng: np.random.Generator) -> Indices:
    """Draw n documents without replacement from each row of (R, c) counts."""
    drawn, left = np.zeros_like(among), np.full(len(among), n)
    after = among.sum(1)
    for i in range(among.shape[1]):
        after = after - among[:, i]
        drawn[:, i] = rng.hypergeometric(among[:, i], after, left)
        left = left - drawn[:, i]
    return drawn


def attainable(prevalence: float, n: int) -> bool:
    """Whether any two-sided interval from n uniform draws can cover this prevalence with 93 to 98 %.

    Its coverage is the probability of a run of counts, with at most 3.5 % left out on a side.
    """
    tails = binom.cdf(np.arange(-1, n + 1), n, prevalence)
    reach = [tails[j + 1] - tails[i] for i in range(n + 1) if tails[i] <= 0.035 for j in range(i, n + 1)]
    return any(0.93 <= share <= 0.98 for share in reach)


def exact(n: int) -> str:
    """Print the coverage of prevalences with n uniform draws, from the binomial distribution instead of simulation."""
    hits, one = np.arange(n + 1.0), np.ones((n + 1, 1), np.bool_)
    draws = (np.ones(1), np.array([float(n)]), np.ones(1))
    _, low, high = share_limits(hits[:, None], n - hits[:, None], *draws, one, one)
    prevalence = np.geomspace(0.005, 0.5, 400)[:, None]
    chance = binom.pmf(hits, n, prevalence)
    covered = (chance * ((low <= prevalence) & (prevalence <= high))).sum(1)
    inside = np.mean((covered >= 0.93) & (covered <= 0.98))
    return (
        f"n = {n:3}: mean {covered.mean():.1%}, least {covered.min():.1%} (at {prevalence[covered.argmin(), 0]:.1%}), "
        f"{inside:.0%} of prevalences within 93-98 %, {np.mean(covered < 0.93):.0%} below"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.monotonic()
    coverage: dict[str, list[float]] = defaultdict(list)
    print("coverage % / mean width; ratio: width of the stratified interval over that of the uniform one")
    print(f"{'model':14}{'prev.':>7}{'n':>5}  {'':8}" + "".join(f"{figure:>16}" for figure in FIGURES))
    for model in MODELS:
        for prevalence in PREVALENCES:
            rng = np.random.default_rng([arguments.seed, MODELS.index(model), int(1000 * prevalence)])
            true, proba = scored(prevalence, model, rng)
            for n in SIZES:
                rows = {
                    name: simulate(population(true, proba, n, strata, rng), arguments.repetitions, rng)
                    for name, strata in (("uniform", 1), ("strata", STRATA))
                }
                for name, row in rows.items():
                    mark = "" if name == "strata" or attainable(prevalence, n) else "*"
                    cells = [f"{100 * row[f][0]:.1f} / {row[f][1]:.3f}" for f in FIGURES]
                    cells[0] += mark
                    print(f"{model.name:14}{prevalence:>7.1%}{n:>5}  {name:8}" + "".join(f"{c:>16}" for c in cells))
                    for figure in FIGURES:
                        coverage[f"{name} {figure}"].append(row[figure][0])
                ratios = [rows["strata"][f][1] / rows["uniform"][f][1] for f in FIGURES]
                print(f"{'':28}{'ratio':8}" + "".join(f"{ratio:>16.2f}" for ratio in ratios), flush=True)
    print("\n* no deterministic interval can have 93 to 98 % here: the counts are too few\n")
    print(f"{'':26}{'least':>8}{'< 93 %':>8}{'93-98 %':>9}{'> 98 %':>8}")
    for name, shares in coverage.items():
        one = np.array(shares)
        below, above = int((one < 0.93).sum()), int((one > 0.98).sum())
        print(f"{name:26}{100 * one.min():>8.1f}{below:>8}{len(one) - below - above:>9}{above:>8}")
    print("\nprevalence from uniform draws, exactly, over 400 prevalences from 0.5 to 50 %: coverage swings with them")
    print("\n".join(exact(n) for n in SIZES))
    print(f"\n{arguments.repetitions} repetitions, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
