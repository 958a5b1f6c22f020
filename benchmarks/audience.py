"""How often `laud audience measure` is wrong, and how much memory it takes.

    python benchmarks/audience.py simulate [--experiments 4000] [--first 0]
    python benchmarks/audience.py stream FOLDER [--rows 100000000] [--users 20000000]

`simulate` draws experiments without an effect (false positives) and with one (coverage of the 95 % intervals), beside a
two-proportion test on impressions. `stream` writes exposures to FOLDER, measures them in a process of its own, and
prints its peak memory; the rows of a user are spread over the whole file.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtr

from laud_ray.stats.uplift import Lift, Moments, adjustment, compare, ratio

ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """An experiment: its users, the share of them in the treatment, the tail of impressions, and the rate of clicks."""

    name: str
    users: int
    share: float
    tail: float
    rate: float


SETTINGS = (
    Setting("mild, 2,000 users an arm", 4000, 0.5, 0.5, 0.05),
    Setting("heavy tail, 2,000 users an arm", 4000, 0.5, 1.2, 0.05),
    Setting("heavy tail, 5,000 users an arm, 1 %", 10_000, 0.5, 1.2, 0.01),
    Setting("heavy tail, 9:1", 10_000, 0.1, 1.2, 0.05),
    Setting("heavy tail, about 150 clicks", 600, 0.5, 1.0, 0.03),
)


def draw(one: Setting, lift: float, rng: np.random.Generator) -> tuple[Moments, Moments]:
    """Draw the control and the treatment. The lift is that of each user's click probability."""
    treated = rng.random(one.users) < one.share
    visits, taste = rng.lognormal(1.5, one.tail, one.users), rng.beta(1.5, 1.5 / one.rate - 1.5, one.users)
    before, during = (np.maximum(rng.poisson(visits), 1) for _ in range(2))
    clicks = rng.binomial(during, np.minimum(taste * (1 + lift * treated), 1))
    values = np.stack([clicks, during, rng.binomial(before, taste), before], axis=1)
    control, treatment = (_moments(values[treated == arm]) for arm in (False, True))
    return control, treatment


def _moments(values: np.ndarray) -> Moments:  # type: ignore[type-arg]
    products = values.T @ values
    return Moments(len(values), tuple(values.sum(axis=0).tolist()), tuple(map(tuple, products.tolist())))


def two_proportions(control: Moments, treatment: Moments) -> float:
    """Return the p-value of the usual test, which takes impressions for independent."""
    (c0, n0), (c1, n1) = control.sums[:2], treatment.sums[:2]
    pooled = (c0 + c1) / (n0 + n1)
    z = (c1 / n1 - c0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    return float(2 * ndtr(-abs(z)))


def simulate(experiments: int, first: int = 0) -> None:
    print(
        f"{experiments:,} experiments each; shares in %, with a standard error of at most {50 / experiments**0.5:.2f}"
    )
    print("| setting | lift | two proportions wrong | wrong or not covered | the same by CUPED | mean clicks |")
    for number, one in enumerate(SETTINGS[first:], first):
        for lift in (0.0, 0.3):
            rng = np.random.default_rng([number, int(100 * lift)])
            missed, missed_cuped, naive, clicks = 0, 0, 0, 0
            for _ in range(experiments):
                arms = draw(one, lift, rng)
                slope = adjustment(arms[0] + arms[1])
                missed += not _covers(compare(*map(ratio, arms)), lift)
                missed_cuped += not _covers(compare(*(ratio(arm, slope) for arm in arms)), lift)
                naive += two_proportions(*arms) < 0.05
                clicks += arms[0].sums[0] + arms[1].sums[0]
            shares = [100 * one / experiments for one in (naive, missed, missed_cuped)]
            usual = f"{shares[0]:.1f}" if not lift else "-"
            cells = (one.name, f"{lift:g}", usual, *(f"{share:.1f}" for share in shares[1:]))
            print(f"| {' | '.join(cells)} | {clicks / experiments:,.0f} |", flush=True)


def _covers(found: Lift, lift: float) -> bool:
    return found.relative is not None and found.relative.low <= lift <= found.relative.high


def stream(folder: Path, rows: int, users: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file, rng, began = folder / "exposures.parquet", np.random.default_rng(0), time.monotonic()
    schema = pa.schema(
        [("user", pa.int64()), ("arm", pa.string()), ("impressions", pa.int32()), ("clicks", pa.int32())]
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for start in range(0, rows, ROWS_AT_ONCE):
            n = min(ROWS_AT_ONCE, rows - start)
            user = rng.integers(0, users, n)
            shown = rng.geometric(0.4, n).astype(np.int32)
            # The arm depends on the user alone: a hash of it.
            treated = (user * 2654435761 >> 17) & 1
            clicks = rng.binomial(shown, 0.01 * (1 + 0.1 * treated)).astype(np.int32)
            arm = pa.DictionaryArray.from_arrays(pa.array(treated.astype(np.int32)), ["old", "new"]).cast(pa.string())
            writer.write_table(pa.table([user, arm, shown, clicks], schema=schema))
    size, took = file.stat().st_size / 1e9, time.monotonic() - began
    print(f"{rows:,} rows of about {users:,} users, {size:.2f} GB, in {took:.0f} s")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "laud_ray", "audience", "measure", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(done.stdout, done.stderr)
    print(f"exit {done.returncode}, {time.monotonic() - began:.0f} s, peak memory {peak / 1e9:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    simulated = parts.add_parser("simulate")
    simulated.add_argument("--experiments", type=int, default=4000)
    simulated.add_argument("--first", type=int, default=0, help="the setting to begin with")
    streamed = parts.add_parser("stream")
    streamed.add_argument("folder", type=Path)
    streamed.add_argument("--rows", type=int, default=100_000_000)
    streamed.add_argument("--users", type=int, default=20_000_000)
    given = parser.parse_args()
    if given.part == "simulate":
        simulate(given.experiments, given.first)
    else:
        stream(given.folder, given.rows, given.users)


if __name__ == "__main__":
    main()
