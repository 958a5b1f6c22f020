"""Tables and plots of a study's learning curves. r runs of one strategy, p points of a curve."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from results import Record
from scipy import stats
from simulation import ALL

from laud_ray.types import Floats

matplotlib.use("Agg")
import matplotlib.pyplot as plt

AGAINST = "random"
SHARE = 0.9  # share of the score that is reached with all labels of the pool
LEAST_SEEDS_FOR_RANKS = 6  # with fewer seeds, the p-value of a signed-rank test cannot fall below 5 %


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The runs of one strategy: n is the (p,) grid of annotations, accuracy and macro_f1 are (r, p), seeds (r,)."""

    strategy: str
    seeds: tuple[int, ...]
    n: Floats
    accuracy: Floats
    macro_f1: Floats

    @property
    def area(self) -> Floats:
        """(r,) areas under the macro-F1 curves over the width of the grid: mean macro-F1."""
        if len(self.n) == 1:
            return self.macro_f1[:, 0]
        area: Floats = np.trapezoid(self.macro_f1, self.n, axis=1) / (self.n[-1] - self.n[0])
        return area


def to_curves(records: Sequence[Record], grid: Floats | None = None) -> list[Curves]:
    """Interpolate the runs of each strategy linearly on one grid, by default that of the first run."""
    by_strategy: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_strategy[record["strategy"]].append(record)
    found = []
    for strategy, runs in by_strategy.items():
        runs = sorted(runs, key=lambda run: run["seed"])
        n = np.asarray([point[0] for point in runs[0]["curve"]], float) if grid is None else grid
        lines = [np.asarray(run["curve"], float) for run in runs]
        accuracy, f1 = (np.stack([np.interp(n, line[:, 0], line[:, c]) for line in lines]) for c in (1, 2))
        found.append(Curves(strategy, tuple(run["seed"] for run in runs), n, accuracy, f1))
    return found


def distinct(records: Sequence[Record]) -> list[Record]:
    """Return the first record of each run; two processes that share a file may both have made it."""
    first: dict[tuple[object, ...], Record] = {}
    for record in records:
        key = tuple(record[name] for name in ("data", "learner", "strategy", "seed", "budget", "batch"))
        first.setdefault(key, record)
    return list(first.values())


def labels_needed(n: Floats, curve: Floats, target: float) -> float | None:
    """Return the smallest n at which a curve, interpolated linearly, reaches a target; None if it never does."""
    reached = np.flatnonzero(curve >= target)
    if not len(reached):
        return None
    at = int(reached[0])
    if at == 0:
        return float(n[0])
    share = (target - curve[at - 1]) / (curve[at] - curve[at - 1])
    return float(n[at - 1] + share * (n[at] - n[at - 1]))


def paired_p(one: Floats, other: Floats) -> tuple[float, str]:
    """Return the p-value for equal areas of two strategies, paired by seed, and the test: signed ranks, or t."""
    if len(one) < 2 or np.allclose(one, other):
        return float("nan"), "-"
    if len(one) >= LEAST_SEEDS_FOR_RANKS:
        return float(stats.wilcoxon(one, other).pvalue), "Wilcoxon"
    return float(stats.ttest_rel(one, other).pvalue), "t"


def table(records: Sequence[Record]) -> list[dict[str, str]]:
    """Return one row for each strategy of a set and learner, the largest area first."""
    full = next((record["curve"][-1] for record in records if record["strategy"] == ALL), None)
    others = [record for record in records if record["strategy"] != ALL]
    base_runs = [record for record in others if record["strategy"] == AGAINST]
    grid = np.asarray([point[0] for point in base_runs[0]["curve"]], float) if base_runs else None
    if grid is None:
        grid = np.asarray([point[0] for point in others[0]["curve"]], float)
    curves = to_curves(others, grid)
    base = next((one for one in curves if one.strategy == AGAINST), None)
    raw = {
        one.strategy: one
        for one in (
            to_curves([r for r in others if r["strategy"] == s])[0]
            for s in dict.fromkeys(r["strategy"] for r in others)
        )
    }
    return [_row(one, raw[one.strategy], base, full) for one in sorted(curves, key=lambda one: -one.area.mean())]


def _row(one: Curves, raw: Curves, base: Curves | None, full: Sequence[float] | None) -> dict[str, str]:
    f1, budget = raw.macro_f1.mean(0), raw.n[-1]
    row = {
        "strategy": one.strategy,
        "seeds": str(len(one.seeds)),
        "accuracy": _spread(raw.accuracy[:, -1]),
        "macro-F1": _spread(raw.macro_f1[:, -1]),
        "area": _spread(one.area),
        f"labels for {SHARE:.0%} of all": _number(labels_needed(raw.n, f1, SHARE * full[2]), budget) if full else "-",
    }
    if base is None:
        return row
    reach = labels_needed(raw.n, f1, base.macro_f1[:, -1].mean())
    shared = [seed for seed in one.seeds if seed in base.seeds]
    pick = [[curves.seeds.index(seed) for seed in shared] for curves in (one, base)]
    if not shared:
        return row
    worst = 100 * (one.macro_f1[pick[0]] - base.macro_f1[pick[1]]).mean(0)  # of the same seeds, as the test
    p, test = paired_p(one.area[pick[0]], base.area[pick[1]])
    return {
        **row,
        "annotations / random's": "-" if reach is None else f"{reach / budget:.2f}",
        "worst point": f"{worst.min():+.1f} at {one.n[worst.argmin()]:.0f}",
        "p": "-" if np.isnan(p) else f"{p:.3f} ({test})",
    }


def write_report(records: Sequence[Record], out: Path) -> str:
    """Write curves.csv, tables.md and a plot for each set, learner and budget; return the tables."""
    out.mkdir(parents=True, exist_ok=True)
    records = distinct(records)
    groups: dict[tuple[str, str, int, int], list[Record]] = defaultdict(list)
    for record in records:
        groups[record["data"], record["learner"], record["budget"], record["batch"]].append(record)
    parts = []
    for (data, learner, budget, batch), runs in sorted(groups.items()):
        if all(run["strategy"] == ALL for run in runs):
            continue
        title = f"{data}, {learner}, {budget} annotations in batches of {batch}"
        full = next((run["curve"][-1] for run in runs if run["strategy"] == ALL), None)
        whole = f"All {full[0]} labels: {100 * full[1]:.1f} / {100 * full[2]:.1f}.\n\n" if full else ""
        parts.append(f"### {title}\n\n{whole}{markdown(table(runs))}")
        plot(runs, title, out / f"{data}-{learner}-{budget}-{batch}.png")
    text = "\n".join(parts)
    (out / "tables.md").write_text(text)
    write_csv(records, out / "curves.csv")
    return text


def markdown(rows: Sequence[dict[str, str]]) -> str:
    """Return rows as a table; a cell that a row lacks is a dash."""
    widest: dict[str, str] = max(rows, key=len)
    names = list(widest)
    lines = [names, ["---"] * len(names), *([row.get(name, "-") for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write_csv(records: Sequence[Record], path: Path) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["data", "learner", "strategy", "seed", "batch", "annotations", "accuracy", "macro_f1"])
        for run in records:
            for n, accuracy, f1 in run["curve"]:
                keys = [run[name] for name in ("data", "learner", "strategy", "seed", "batch")]
                writer.writerow([*keys, n, f"{accuracy:.4f}", f"{f1:.4f}"])


def plot(records: Sequence[Record], title: str, path: Path) -> None:
    """Plot mean macro-F1 and accuracy of each strategy, with a band of one standard deviation over seeds."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 5), sharex=True)
    palette = plt.get_cmap("tab20")
    names = dict.fromkeys(record["strategy"] for record in records if record["strategy"] != ALL)
    for i, name in enumerate(names):
        one = to_curves([record for record in records if record["strategy"] == name])[0]
        style = {"color": "black", "linestyle": "--"} if name.startswith(AGAINST) else {"color": palette(i % 20)}
        for ax, values in zip(axes, (one.macro_f1, one.accuracy), strict=True):
            mean, sd = 100 * values.mean(0), 100 * values.std(0)
            ax.plot(one.n, mean, label=name, marker="." if len(one.n) == 1 else None, **style)
            ax.fill_between(one.n, mean - sd, mean + sd, alpha=0.12, color=style["color"])
    full = next((record["curve"][-1] for record in records if record["strategy"] == ALL), None)
    for ax, name, column in zip(axes, ("macro-F1", "accuracy"), (2, 1), strict=True):
        if full:
            ax.axhline(SHARE * 100 * full[column], color="gray", linewidth=0.8, label=f"{SHARE:.0%} of all labels")
        ax.set(xlabel="annotations", ylabel=f"test {name}, %")
        ax.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _spread(values: Floats) -> str:
    return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1 if len(values) > 1 else 0):.1f}"


def _number(value: float | None, budget: float) -> str:
    return f"> {budget:.0f}" if value is None else f"{value:.0f}"
