"""How often is an alarm false, how soon is a new kind of text noticed, and which models does the canary let pass?

    python benchmarks/drift.py                          all four, half an hour of processor time
    python benchmarks/drift.py simulate [--years 500] [--batch 1000] [--reference 100000]
    python benchmarks/drift.py canary [--updates 200]
    python benchmarks/drift.py streams [--data FOLDER ...] [--share 0 0.05 0.1] [--seeds 1] [--learner linear]
        [--out runs/streams.jsonl] [--most N]
    python benchmarks/drift.py distances [--data FOLDER ...] [--share 0 0.05 0.1] [--seeds 20]

`simulate` draws years of weekly batches, and compares the three tests by betting with a z-test of the mean confidence
at 5 % each week, and with a population stability index above 0.2 of labels or confidences over the last 5 batches. The
predictions are simulated: 20 labels with Zipf's shares; a confidence of 0.849 in the mean; and distances with a normal
distribution, those of 10,000 earlier documents being known. A share of new texts arrives from week 10 on. Three kinds
of new text are tried, whose distances are larger by a constant. Plain: its mean confidence is 0.45, and 40 % of it lies
beyond the 99th percentile of the others. Hidden: 0.55, and 25 %. Near: 0.55, and 8 %, as classes of banking77 and
hs_chapter that were held back. Half of it gets one label, drawn at random, and the rest two others. All rivals see the
same batches.

`canary` draws updates with new models that are worse than the current one on old documents by some points, equal, or
better. All are better by 8 points on new documents, so that only the old ones could stop them. The evaluation sample is
simple, or has three strata, of which the smallest has the most differences.

`streams` updates real runs with real texts, among which new classes arrive: see streams.py. `distances` has the test of
novelty alone in such streams: see stream_distances.py.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from statistics import NormalDist

import numpy as np

from laud_ray.stats import Sample
from laud_ray.stats.betting import FAR, TESTS, Batch, Reference, Tolerance, Watch
from laud_ray.stats.betting.reference import distances_of
from laud_ray.stats.metrics import stability_index
from laud_ray.stats.promotion import compare, decide
from laud_ray.types import Floats, Indices

LABELS = 20
WEEKS, CHANGE = 52, 10
SHARES = 1 / np.arange(1, LABELS + 1) / (1 / np.arange(1, LABELS + 1)).sum()
CONFIDENCE = (5.094, 0.906)  # of a Beta distribution with a mean of 0.849
COMPARED = 10_000  # documents whose distances are known
WINDOW = 5  # batches that a stability index looks at
RIVALS = ("z-test, 5 % a week", "PSI > 0.2")
MARGIN = 0.02
SHARED = Path(__file__).parents[1].joinpath("../shared/data").resolve()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of new text: the Beta distribution of its confidence, and the share beyond the others' 99th percentile."""

    name: str
    confidence: tuple[float, float]
    novel: float


PLAIN = Kind("plain", (2.7, 3.3), 0.40)
HIDDEN = Kind("hidden", (3.3, 2.7), 0.25)
NEAR = Kind("near", (3.3, 2.7), 0.08)  # as classes of banking77 and hs_chapter that are held back


@dataclass(frozen=True, slots=True)
class World:
    """What arrives: a share of new texts from week CHANGE on, or documents at the edge of all tolerances all year."""

    name: str
    share: float = 0.0
    kind: Kind = PLAIN
    edge: bool = False


WORLDS = (
    World("nothing changes"),
    World("at the edge of all tolerances", edge=True),
    *(
        World(f"{new:.0%} new, {kind.name}", new, kind)
        for kind in (PLAIN, HIDDEN, NEAR)
        for new in (0.02, 0.05, 0.1, 0.2)
    ),
)


def draw_labels(rng: np.random.Generator, shares: Floats, size: int) -> Indices:
    return np.searchsorted(shares.cumsum()[:-1], rng.random(size), side="right").astype(np.int64)


def draw_year(
    rng: np.random.Generator, world: World, batch: int, thresholds: Floats
) -> tuple[Indices, Floats, Indices]:
    """Return (WEEKS, batch) labels, confidences, and beyond how many of the thresholds documents lie."""
    n = WEEKS * batch
    if world.edge:
        shifted = SHARES * (1 - 0.02 / (1 - SHARES[3]))
        shifted[3] = SHARES[3] + 0.02
        best, confidence = draw_labels(rng, shifted, n), rng.beta(*CONFIDENCE, n) * (1 - 0.01 / 0.849)
        far = np.searchsorted(-Tolerance().far, -rng.random(n), side="right")
    else:
        new = (rng.random(n) < world.share) & (np.arange(n) >= (CHANGE - 1) * batch)
        theirs = np.zeros(LABELS)
        theirs[rng.choice(LABELS, 3, replace=False)] = (0.5, 0.3, 0.2)
        best = np.where(new, draw_labels(rng, theirs, n), draw_labels(rng, SHARES, n))
        confidence = rng.beta(*CONFIDENCE, n)
        confidence[new] = rng.beta(*world.kind.confidence, int(new.sum()))
        farther = NormalDist().inv_cdf(FAR[-1]) - NormalDist().inv_cdf(1 - world.kind.novel)
        far = np.searchsorted(thresholds, rng.standard_normal(n) + farther * new)
    return best.reshape(WEEKS, batch), confidence.reshape(WEEKS, batch), far.reshape(WEEKS, batch)


def first_alarms(known: Reference, edges: Floats, year: tuple[Indices, Floats, Indices]) -> dict[str, float]:
    """Return the week of the first alarm of each test, of any of them, and of the rivals; infinite if there is none."""
    best, confidence, far = year
    found = dict.fromkeys((*TESTS, *RIVALS), inf)
    watch = Watch.start(known)
    for week in range(WEEKS):
        watch = watch.after(Batch(best[week], confidence[week], far[week]))
        for test in watch.alarms:
            found[test] = min(found[test], week + 1)
        if len(watch.alarms) == len(TESTS):
            break
    size = best.shape[1]
    z = np.abs(confidence.mean(1) - known.mean) / np.sqrt(known.variance / size)
    if (z > 1.96).any():
        found[RIVALS[0]] = int(np.argmax(z > 1.96)) + 1
    tenth = np.full(len(edges) + 1, 1 / (len(edges) + 1))
    labels = np.stack([np.bincount(row, minlength=LABELS) for row in best])
    binned = np.stack([np.bincount(np.searchsorted(edges, row), minlength=len(tenth)) for row in confidence])
    for week in range(WEEKS):
        recent = slice(max(0, week + 1 - WINDOW), week + 1)
        index = max(
            stability_index(known.shares, labels[recent].sum(0), known.n),
            stability_index(tenth, binned[recent].sum(0), known.n),
        )
        if index > 0.2:
            found[RIVALS[1]] = week + 1
            break
    return {"any test": min(found[test] for test in TESTS), **found}


def simulate(years: int, batch: int, size: int) -> Iterator[str]:
    names = ("any test", *TESTS, *RIVALS)
    weeks: dict[str, dict[str, list[float]]] = {world.name: {name: [] for name in names} for world in WORLDS}
    for year in range(years):
        rng = np.random.default_rng([year, 0])
        confidence = rng.beta(*CONFIDENCE, size)
        distances = rng.standard_normal(COMPARED)
        thresholds, beyond = distances_of(distances)
        plain = Reference.of([Batch(draw_labels(rng, SHARES, size), confidence)], LABELS)
        known = replace(plain, far=beyond, far_of=COMPARED)
        edges = np.quantile(confidence, np.linspace(0, 1, 11)[1:-1])
        for number, world in enumerate(WORLDS, 1):
            drawn = draw_year(np.random.default_rng([year, number]), world, batch, thresholds)
            for name, week in first_alarms(known, edges, drawn).items():
                weeks[world.name][name].append(week)
    yield f"{years} years of {WEEKS} weekly batches of {batch:,}; a reference of {size:,}"
    for world in WORLDS:
        yield f"\n{world.name}"
        for name in names:
            yield f"  {name:20} {told(np.asarray(weeks[world.name][name]), changes=world.share > 0)}"


def told(weeks: Floats, *, changes: bool) -> str:
    """Return in words when the first alarms came, in batches since the change; those before it are false."""
    if not changes:
        return f"a false alarm in {np.isfinite(weeks).mean():6.1%} of years"
    false = (weeks < CHANGE).mean()
    delays = weeks[weeks >= CHANGE] - CHANGE + 1
    if not len(delays):
        return f"false {false:6.1%}"
    within = ", ".join(f"{(delays <= most).mean():4.0%} within {most}" for most in (3, 7))
    middle = np.quantile(delays, 0.5, method="higher")
    found = f"half after {middle:.0f}" if np.isfinite(middle) else "most never"
    late = np.quantile(delays, 0.95, method="higher")
    return f"false {false:6.1%}   else {within}, {np.isfinite(delays).mean():4.0%} in the year; {found}" + (
        f", 95 % after {late:.0f}" if np.isfinite(late) else ""
    )


def draw_samples(
    rng: np.random.Generator, n: int, worse: float, differ: float, *, strata: bool
) -> tuple[Sample, Sample]:
    """Return the current and the new model's predictions for n documents, of which `differ` have different outcomes."""
    where, sizes, often = np.zeros(n, np.int64), {0: 100_000}, np.ones(n)
    if strata:
        where, sizes = np.repeat([0, 1, 2], [n // 2, n // 4, n - n // 2 - n // 4]), {0: 80_000, 1: 15_000, 2: 5_000}
        often = np.array([0.6, 2.0, 3.2])[where] / (0.8 * 0.6 + 0.15 * 2 + 0.05 * 3.2)
    loss, gain = (differ + worse) / 2, (differ - worse) / 2
    u, stays = rng.random(n), rng.random(n) < 0.85
    lost, gained = u < loss * often, (u >= loss * often) & (u < (loss + gain) * often)
    true, sure = np.ones(n, np.int64), np.full(n, 0.9)
    before, after = (stays | lost) & ~gained, (stays & ~lost) | gained
    return (
        Sample(true, before.astype(np.int64), sure, where, sizes),
        Sample(true, after.astype(np.int64), sure, where, sizes),
    )


def canary(updates: int) -> Iterator[str]:
    differing = (0.04, 0.06, 0.12)
    yield (
        f"promoted, of {updates} updates each; margin {100 * MARGIN:g} points; in brackets: by a measured difference "
        f"within the margin. {', '.join(f'{one:.0%}' for one in differing)} of old documents have different outcomes."
    )
    for n in (300, 1000):
        for strata in (False, True):
            for worse in (0.0201, 0.025, 0.03, 0.04, 0.0, -0.02):
                what = f"worse by {100 * worse:g}" if worse > 0 else f"better by {-100 * worse:g}" if worse else "equal"
                verdict = "wrong" if worse > MARGIN else "right"
                shares = "  ".join(promoted(updates, n, worse, differ, strata=strata) for differ in differing)
                yield f"  {n:5,} {'strata' if strata else 'simple'}  {what:14} {verdict}: {shares}"


def promoted(updates: int, n: int, worse: float, differ: float, *, strata: bool) -> str:
    """Return the share of updates that are promoted, and the share by the measured difference alone."""
    passed = measured = 0
    for update in range(updates):
        rng = np.random.default_rng([update, n, strata, round(1e4 * (worse + 1)), round(100 * differ)])
        old = compare(*draw_samples(rng, n, worse, differ, strata=strata))
        new = compare(*draw_samples(rng, 50, -0.08, 0.12, strata=False))
        passed += decide(old, new, MARGIN).promote
        measured += old.value >= -MARGIN and new.value > 0
    return f"{passed / updates:6.1%} ({measured / updates:5.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    one = commands.add_parser("simulate")
    one.add_argument("--years", type=int, default=500)
    one.add_argument("--batch", type=int, default=1000)
    one.add_argument("--reference", type=int, default=100_000)
    other = commands.add_parser("canary")
    other.add_argument("--updates", type=int, default=200)
    real = commands.add_parser("streams")
    real.add_argument("--data", type=Path, nargs="+", default=[SHARED / "hs_chapter", SHARED / "banking77"])
    real.add_argument(
        "--share", type=float, nargs="+", default=[0.0, 0.05, 0.1], help="of new classes, from batch 6 on"
    )
    real.add_argument("--seeds", type=int, default=1)
    real.add_argument("--learner", choices=("linear", "encoder"), default="linear")
    real.add_argument("--out", type=Path, default=Path("runs/streams.jsonl"), help="a line for each stream that ended")
    real.add_argument("--most", type=int, help="streams in this call; all by default")
    quick = commands.add_parser("distances")
    quick.add_argument("--data", type=Path, nargs="+", default=[SHARED / "hs_chapter", SHARED / "banking77"])
    quick.add_argument("--share", type=float, nargs="+", default=[0.0, 0.05, 0.1])
    quick.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    for command in [given.command] if given.command else ["simulate", "canary", "distances", "streams"]:
        args, start = given if given.command else parser.parse_args([command]), time.process_time()
        for line in lines_of(command, args):
            print(line, flush=True)
        print(f"\n{time.process_time() - start:.0f} s of processor time, that of workers apart")


def lines_of(command: str, args: argparse.Namespace) -> Iterator[str]:
    if command == "simulate":
        return simulate(args.years, args.batch, args.reference)
    if command == "canary":
        return canary(args.updates)
    import stream_distances
    import streams  # needs the whole product, unlike the others

    if command == "distances":
        return stream_distances.alarms(args.data, args.share, args.seeds)
    return streams.streams(args.data, args.share, args.seeds, args.learner, args.out, args.most)


if __name__ == "__main__":
    main()
