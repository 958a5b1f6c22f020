"""Check the figures of a probe (`laud oracle RUN --probe N`) on planted effects: intervals, and changes of the model.

    python benchmarks/probe.py intervals
    python benchmarks/probe.py changes

`intervals`: in 2,000 simulated probes each, how often the 95 % interval holds the planted flip rate. The probability of
a flip differs between documents: Beta-distributed, so that most documents never flip and some often do.

`changes`: in 2,000 simulated pairs of probes each, how often a change is reported, if nothing has changed, and if
the model gives another label for 5, 10 or 20 % of the documents. `noise` is the share of answers that are random.
"""

import argparse

import numpy as np

from laud_ray.quality.probe import change, rate

TRIALS = 2000
LABELS = list("abcd")


def intervals() -> None:
    """Print coverage and mean width by the number of documents, the planted rate and the comparisons a document."""
    rng = np.random.default_rng(0)
    print("documents  comparisons  planted  coverage  mean width")
    for n in (30, 50, 100):
        for comparisons in (1, 2, 3):
            for planted in (0.02, 0.1, 0.3):
                found = [rate(_flips(rng, n, comparisons, planted)) for _ in range(TRIALS)]
                covered = float(np.mean([one.low <= planted <= one.high for one in found]))
                width = float(np.mean([one.high - one.low for one in found]))
                print(f"{n:9}  {comparisons:11}  {planted:7.2f}  {covered:8.3f}  {width:10.3f}")


def _flips(rng: np.random.Generator, n: int, comparisons: int, planted: float) -> list[list[bool]]:
    often = rng.beta(planted, 1 - planted, n)
    flips: list[list[bool]] = (rng.random((n, comparisons)) < often[:, None]).tolist()
    return flips


def changes() -> None:
    """Print how often a change is reported by the number of documents, the noise and the share that changed."""
    rng = np.random.default_rng(0)
    print("documents  noise  changed  reported")
    for n in (30, 50, 100):
        for noise in (0.0, 0.1, 0.3):
            for share in (0.0, 0.05, 0.1, 0.2):
                reported = float(np.mean([_reported(rng, n, noise, share) for _ in range(TRIALS)]))
                print(f"{n:9}  {noise:5.1f}  {share:7.2f}  {reported:8.3f}")


def _reported(rng: np.random.Generator, n: int, noise: float, share: float) -> bool:
    old = rng.integers(len(LABELS) - 1, size=n)
    new = np.where(rng.random(n) < share, len(LABELS) - 1, old)

    def twice(usual: np.ndarray) -> list[tuple[str, str]]:
        said = np.where(rng.random((2, n)) < noise, rng.integers(len(LABELS), size=(2, n)), usual)
        return [(LABELS[a], LABELS[b]) for a, b in said.T]

    return change(twice(old), twice(new)).found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["intervals", "changes"])
    {"intervals": intervals, "changes": changes}[parser.parse_args().which]()
