"""Coverage and width of the 95 % intervals of multilabel figures, by simulation. NumPy only, one core.

    .venv/bin/python benchmarks/multilabel_coverage.py [--repetitions 500]

A population of 20,000 documents has k labels with Zipfian frequencies, which occur together; a model's probabilities of
them, of three kinds; and the answers of a language model that misses 10 % of the labels and adds 2 %. Each repetition
draws n documents with their true labels, uniformly or stratified by the confidence in the whole predicted set as
`laud run` does. For prediction-powered figures (PPI), these are a random part of 5 n documents that the language model
answers. A figure is covered if its value in the population lies in the interval.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from laud_ray.label_sets import NOT_ASKED
from laud_ray.stats import allocate_robustly, boundaries
from laud_ray.stats.multilabel.figures import multilabel_figures
from laud_ray.stats.multilabel.powered import PoweredSets, powered_multilabel_figures
from laud_ray.stats.multilabel.sample import MultilabelSample, ranking_precision
from laud_ray.types import Bools, Estimate, Figures, Floats, Indices

DOCUMENTS = 20_000
STRATA = 3
MISSED, ADDED = 0.1, 0.02
HEARD = 5
FIGURES = (
    *("micro_precision", "micro_recall", "micro_f1", "macro_f1", "exact_match", "ranking", "true_labels"),
    "predicted_labels",
)
ROUNDING = 1e-9


@dataclass(frozen=True)
class Model:
    """How far apart the scores of a label that applies and of one that does not are, in standard deviations."""

    name: str
    apart: float
    steepness: float = 1.0


MODELS = (Model("good", 3.5), Model("fair", 2.0), Model("overconfident", 2.0, steepness=2.0))


@dataclass(frozen=True)
class World:
    """The population: (N, k) truths, answers of a language model, and predictions; the rest is (N,)."""

    true: npt.NDArray[np.int8]
    heard: npt.NDArray[np.int8]
    predicted: Bools
    confidence: Floats
    stratum: Indices
    draw: Indices
    by_true: Floats
    by_heard: Floats

    @property
    def sizes(self) -> dict[int, int]:
        return dict(enumerate(np.bincount(self.stratum).tolist()))


def world(k: int, cardinality: float, model: Model, n: int, strata: int, rng: np.random.Generator) -> World:
    """Create a population whose documents have `cardinality` labels on average, and allocate n draws to strata."""
    share = 1 / np.arange(1, k + 1)
    share = np.minimum(share / share.sum() * cardinality, 0.6)
    latent = rng.normal(size=(DOCUMENTS, 1))  # documents differ in how many labels they have
    true = (rng.random((DOCUMENTS, k)) < expit(logit(share) + 0.7 * latent)).astype(np.int8)
    evidence = rng.normal(size=true.shape) + model.apart * true
    logits = model.apart * evidence - model.apart**2 / 2 + logit(true.mean(axis=0).clip(1e-4, 1))
    proba = expit(model.steepness * logits)
    predicted = proba >= 0.5
    confidence = np.where(predicted, proba, 1 - proba).prod(axis=1)
    heard = np.where(true == 1, rng.random(true.shape) >= MISSED, rng.random(true.shape) < ADDED).astype(np.int8)
    place = np.minimum((confidence * 10_000).astype(np.int64), 9_999)
    edges = boundaries(np.bincount(place, minlength=10_000), strata)
    stratum = np.searchsorted(edges, place, side="right")
    sizes = np.bincount(stratum, minlength=len(edges) + 1)
    variance = np.bincount(stratum, confidence * (1 - confidence), minlength=len(sizes)) / np.maximum(sizes, 1)
    draw = allocate_robustly(sizes, variance, n)
    rankings = ranking_precision(true, proba), ranking_precision(heard, proba)
    return World(true, heard, predicted, confidence, stratum, draw, *rankings)


def truths(found: World, k: int) -> Figures:
    """The figures of the population: those of a sample that is all of it."""
    every = MultilabelSample(found.true, found.predicted, found.by_true, found.confidence, found.stratum, found.sizes)
    return multilabel_figures(every, [str(i) for i in range(k)], seed=0)


def values(figures: Figures) -> dict[str, Estimate]:
    """Return the figures by name: those of the model, and the F1 of each label with documents in the sample."""
    assert figures.multilabel is not None
    found = {name: one for name in FIGURES if (one := getattr(figures.multilabel, name)) is not None}
    rows = {f"F1 of {row.label}": row.estimates.f1 for row in figures.per_class if row.estimates and row.support}
    return {**found, **rows}


def macro_of(truth: Figures, figures: Figures) -> float:
    """The mean true F1 of the labels that the sample's macro-F1 is about."""
    assert figures.multilabel is not None
    counted = {row.label for row in figures.per_class if row.support >= figures.multilabel.least}
    return float(np.mean([row.f1 for row in truth.per_class if row.label in counted])) if counted else np.nan


def draw(found: World, k: int, powered: bool, rng: np.random.Generator) -> Figures:
    """Draw one sample, and return its figures."""
    names = [str(i) for i in range(k)]
    rows, asked = [], []
    for h, n in enumerate(found.draw.tolist()):
        members = np.flatnonzero(found.stratum == h)
        taken = rng.permutation(members)[: min(HEARD * n, len(members)) if powered else n]
        rows.append(taken)
        asked.append(np.arange(len(taken)) < n)
    some, told = np.concatenate(rows), np.concatenate(asked)
    if not powered:
        true, predicted, ranked = found.true[some], found.predicted[some], found.by_true[some]
        sample = MultilabelSample(true, predicted, ranked, found.confidence[some], found.stratum[some], found.sizes)
        return multilabel_figures(sample, names, seed=0)
    trusted = np.where(told[:, None], found.true[some], NOT_ASKED).astype(np.int8)
    sets = PoweredSets(
        found.heard[some],
        trusted,
        found.predicted[some],
        found.by_heard[some],
        np.where(told, found.by_true[some], np.nan),
        found.confidence[some],
        found.stratum[some],
        found.sizes,
    )
    return powered_multilabel_figures(sets, names, seed=0)


def simulate(found: World, k: int, powered: bool, repetitions: int, rng: np.random.Generator) -> dict[str, list[float]]:
    """Return each figure's coverage, mean width, and mean error of its value, over the repetitions."""
    truth = truths(found, k)
    true = {name: one.value for name, one in values(truth).items()}
    seen: dict[str, list[tuple[bool, float, float]]] = defaultdict(list)
    for _ in range(repetitions):
        figures = draw(found, k, powered, rng)
        true["macro_f1"] = macro_of(truth, figures)
        for name, one in values(figures).items():
            inside = one.low - ROUNDING <= true[name] <= one.high + ROUNDING
            kind = "label F1" if name.startswith("F1 of") else name
            seen[kind].append((inside, one.high - one.low, one.value - true[name]))
    return {name: np.array(rows, float).mean(axis=0).tolist() for name, rows in seen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.monotonic()
    columns = (*FIGURES, "label F1")
    coverage: dict[str, list[float]] = defaultdict(list)
    print("coverage % / mean width")
    print(f"{'model':14}{'k':>4}{'n':>5}  {'':14}" + "".join(f"{name:>18}" for name in columns))
    for model in MODELS:
        for k, cardinality in ((8, 1.2), (22, 2.5), (100, 3.0)):
            for n in (100, 300, 1000):
                for name, strata, powered in (("uniform", 1, False), ("strata", STRATA, False), ("PPI", STRATA, True)):
                    rng = np.random.default_rng([arguments.seed, MODELS.index(model), k, n, strata, powered])
                    row = simulate(world(k, cardinality, model, n, strata, rng), k, powered, arguments.repetitions, rng)
                    cells = [f"{100 * row[c][0]:.1f} / {row[c][1]:.3f}" if c in row else "" for c in columns]
                    print(f"{model.name:14}{k:>4}{n:>5}  {name:14}" + "".join(f"{c:>18}" for c in cells), flush=True)
                    for c in row:
                        coverage[f"{name} {c}"].append(row[c][0])
    print(f"\n{'':26}{'least':>8}{'< 93 %':>8}{'93-98 %':>9}{'> 98 %':>8}")
    for name, shares in coverage.items():
        one = np.array(shares)
        below, above = int((one < 0.93).sum()), int((one > 0.98).sum())
        print(f"{name:26}{100 * one.min():>8.1f}{below:>8}{len(one) - below - above:>9}{above:>8}")
    print(f"\n{arguments.repetitions} repetitions, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
