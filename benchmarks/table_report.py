"""The tables and plots of LAUD's study on rare categories, from its records."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from results import Record
from study_report import markdown

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLUMNS = ("zero-shot", "nearest", "seed", "rounds")


def tables(records: Sequence[Record], target: float) -> str:
    """Return a table for each oracle: means over seeds, and how many categories reach the target."""
    return "\n".join(_table(runs, oracle, target) for oracle, runs in _by_oracle(records).items())


def plot(records: Sequence[Record], target: float, path: Path) -> None:
    """Plot precision and recall of each category and column, with a row of panels for each oracle."""
    oracles = _by_oracle(records)
    figure, axes = plt.subplots(
        len(oracles), 2, figsize=(13, 3 * len(oracles)), sharex=True, sharey=True, squeeze=False
    )
    for row, (oracle, runs) in zip(axes, oracles.items(), strict=True):
        categories = _by_category(runs)
        place = np.arange(len(categories))
        for i, column in enumerate(COLUMNS):
            found = [_means(some, column) for some in categories.values()]
            shift = place + (i - (len(COLUMNS) - 1) / 2) * 0.2
            for ax, values in zip(row, zip(*found, strict=True), strict=True):
                ax.bar(shift, [100 * (value or 0) for value in values], 0.2, label=column)
        for ax, name in zip(row, ("precision", "recall"), strict=True):
            ax.set(title=f"{name}, %: {oracle}", ylim=(0, 105))
            ax.grid(axis="y", alpha=0.3)
            ax.set_xticks(place, [name[:24] for name in categories], rotation=40, ha="right", fontsize=7)
        row[0].axhline(100 * target, color="black", linewidth=0.8)
    axes[0, 1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _by_oracle(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group the runs by oracle: first the noisy oracles by their noise, then the models."""
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda one: (isinstance(one["oracle"], str), one["oracle"])):
        name = record["oracle"]
        found.setdefault(name if isinstance(name, str) else f"{name:.0%} of answers wrong", []).append(record)
    return found


def _by_category(runs: Sequence[Record]) -> dict[str, list[Record]]:
    """Group the runs by category, the rarest first."""
    found: dict[str, list[Record]] = {}
    for run in sorted(runs, key=lambda one: (one["share"], one["category"])):
        found.setdefault(run["category"], []).append(run)
    return found


def _means(runs: Sequence[Record], column: str) -> tuple[float | None, float]:
    """Return mean precision, over the seeds with positive predictions, and mean recall."""
    cells = [run["cells"][column] for run in runs]
    precision = [cell["precision"] for cell in cells if cell["precision"] is not None]
    return float(np.mean(precision)) if precision else None, float(np.mean([cell["recall"] for cell in cells]))


def _reaches(runs: Sequence[Record], column: str, target: float) -> bool:
    """Whether the mean precision reaches the target, with positive predictions in every seed."""
    precision = [run["cells"][column]["precision"] for run in runs]
    return None not in precision and bool(np.mean(precision) >= target)


def _answers(runs: Sequence[Record]) -> str:
    """The precision and recall of an oracle's own answers about the documents of its runs, and its abstentions."""
    total = {name: sum(run["bought"][name] for run in runs) for name in runs[0].get("bought", {})}
    if not total:
        return "-"
    right = total["true_positive"]
    precision = f"{100 * right / total['positive']:.0f}" if total["positive"] else "-"
    recall = f"{100 * right / total['truly_positive']:.0f}" if total["truly_positive"] else "-"
    return f"{precision} / {recall}; {total['abstained'] / total['answers']:.0%} of {total['answers']}"


def _table(runs: Sequence[Record], oracle: str, target: float) -> str:
    rows: list[dict[str, str]] = []
    reached, recalls = dict.fromkeys(COLUMNS, 0), {column: list[float]() for column in COLUMNS}
    for category, some in _by_category(runs).items():
        row = {"category": category, "share": f"{100 * some[0]['share']:.1f} %", "test": str(some[0]["positives"])}
        if isinstance(some[0]["oracle"], str):
            row["its answers, p / r; abstained"] = _answers(some)
        row["asked by the seed"] = f"{np.mean([run['seed_asked'] for run in some]):.0f}"
        for column in COLUMNS:
            precision, recall = _means(some, column)
            reached[column] += _reaches(some, column, target)
            recalls[column].append(recall)
            row[f"{column}, p / r"] = f"{'-' if precision is None else f'{100 * precision:.0f}'} / {100 * recall:.0f}"
        rows.append(row)
    last = {
        "category": f"precision of at least {target:.0%}; mean recall",
        **dict.fromkeys(list(rows[0])[1:], ""),
    }
    for column in COLUMNS:
        last[f"{column}, p / r"] = f"{reached[column]} of {len(rows)}; {100 * np.mean(recalls[column]):.0f}"
    one = runs[0]
    wrong = (
        f" ({np.mean([run['wrong'] for run in runs]):.1%} of its answers wrong)"
        if isinstance(one["oracle"], str)
        else ""
    )
    head = (
        f"#### {oracle}{wrong}: precision / recall, %; {len({run['seed'] for run in runs})} seeds, "
        f"{one['budget']} annotations and {one['checked']} checked"
    )
    return f"{head}\n\n{markdown([*rows, last])}"
