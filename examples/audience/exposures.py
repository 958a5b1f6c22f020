"""Make a synthetic audience test: python examples/audience/exposures.py [examples/audience/exposures.parquet]

6,000 users were assigned at random to advertisements by the old or by the new audience rule, at the same budget. A row
is a user, with impressions and clicks in the test and in the four weeks before. Impressions have a heavy tail, users
differ in how often they click, and the new rule raises click-through rates by 40 %. Nobody in it exists.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

USERS, LIFT, SEED = 6_000, 0.4, 14738
SEGMENTS = ("phone", "desktop", "tablet")


def make(users: int = USERS, *, lift: float = LIFT, seed: int = SEED) -> pa.Table:
    """Return one row for each user."""
    rng = np.random.default_rng(seed)
    new = rng.integers(0, 2, users)
    # How often a user sees advertisements, and how likely a click is, hold before the test and in it.
    visits = rng.lognormal(2.2, 1.0, users)
    taste = rng.beta(1.2, 90, users)
    before, during = (np.maximum(rng.poisson(visits), 1) for _ in range(2))
    return pa.table(
        {
            "user": [f"u{number:05d}" for number in rng.permutation(users)],
            "arm": np.where(new, "new", "old"),
            "segment": rng.choice(SEGMENTS, users, p=(0.6, 0.3, 0.1)),
            "impressions": during.astype(np.int32),
            "clicks": rng.binomial(during, np.minimum(taste * (1 + lift * new), 1)).astype(np.int32),
            "pre_impressions": before.astype(np.int32),
            "pre_clicks": rng.binomial(before, taste).astype(np.int32),
        }
    )


if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("exposures.parquet")
    pq.write_table(make(), out, compression="zstd", compression_level=15)
    print(f"{out}: {USERS:,} users")
