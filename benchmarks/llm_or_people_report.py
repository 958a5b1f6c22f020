"""Tables and plots of the comparison of language models and people as oracles, from its records."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from results import Record
from study_report import markdown

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CENT = 0.01
MONEY = (5.0, 10.0, 20.0, 40.0)
FIGURES = ("asked", "labels", "by_people", "right", "dollars", "accuracy", "macro_f1")


def by_design(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group runs by design: people, then each language model alone, then with people."""
    found: dict[str, list[Record]] = {}
    for record in sorted(
        records, key=lambda one: (one["llm"] or "", one["people"] is not None, one["threshold"], one["name"])
    ):
        found.setdefault(record["name"], []).append(record)
    return found


def price(records: Sequence[Record], llms: Mapping[str, float], person: float, known: int) -> None:
    """Add to each point of runs the dollars spent by then.

    Args:
        llms: dollars for an answer of each language model.
        person: dollars for an answer of a person.
        known: documents at the start, of two answers each.
    """
    for record in records:
        each = 0.0 if record["llm"] is None else llms[record["llm"]]
        for point in record["points"]:
            point["dollars"] = 2 * known * person + each * point["asked"] + person * point["by_people"]


def at_answers(record: Record, asked: int) -> dict[str, float]:
    """Return the figures of a run after a number of answers: the last point that is not past it."""
    points: list[dict[str, float]] = record["points"]
    return [point for point in points if point["asked"] <= asked][-1]


def at_money(record: Record, dollars: float) -> tuple[float, bool]:
    """Return a run's macro-F1 after spending dollars beyond its start, interpolated, and whether its pool was empty."""
    spent = [point["dollars"] - record["points"][0]["dollars"] for point in record["points"]]
    return float(np.interp(dollars, spent, [point["macro_f1"] for point in record["points"]])), spent[-1] < dollars


def tables(records: Sequence[Record], oracles: Sequence[Mapping[str, Any]], args: argparse.Namespace) -> str:
    """Return all tables: the oracles, equal answers, equal money, and the figures that evaluation samples give."""
    runs = by_design(records)
    seeds, pool = len({record["seed"] for record in records}), records[0]["points"][-1]["asked"]
    first = records[0]["points"][0]
    start = (
        f"All runs start with {args.known} annotated documents (${first['dollars']:.2f}): "
        f"accuracy {first['accuracy']:.1%}, macro-F1 {100 * first['macro_f1']:.1f}."
    )
    parts = [
        f"{seeds} seeds, mean; pool of {pool} documents and {args.apart} more for evaluation. {start}",
        f"#### The oracles themselves, on {oracles[0]['n']} random documents",
        markdown(_oracles(oracles)),
        f"#### Equal answers: {args.budget} after the start",
        markdown([_equal_answers(name, some, args.budget) for name, some in runs.items()]),
        "#### Equal money: macro-F1 for dollars after the start (* the whole pool is answered before)",
        markdown([_equal_money(name, some) for name, some in runs.items()]),
        f"#### The accuracy that an evaluation sample of {args.sample} gives, after {args.budget} answers",
        "Mean estimate ± half the mean width of the 95 % interval; share of the intervals that hold the truth.",
        *(markdown(evaluated(runs, one["oracle"], args)) for one in oracles if "real" in one),
    ]
    return "\n\n".join(parts) + "\n"


def _oracles(oracles: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    found = []
    for one in oracles:
        kappas = {key: one[key] for key in one if key.startswith("people")}
        line = {
            "oracle": one["oracle"],
            "from": "people, simulated" if "real" not in one else "a model" if one["real"] else "a simulation",
            "answered, right": f"{one['answered']:.0%}, {one['right']:.1%}",
            "kappa with the truth": f"{one['truth']:.2f}",
            **{f"with {key}": f"{kappa:.2f}" for key, kappa in kappas.items()},
            "$ per 1,000": f"{1000 * one['dollars']:.3f}" if "dollars" in one else "",
        }
        for threshold in ("0.5", "0.7", "0.9", "0.97"):
            share, right = one.get(threshold, (None, None))
            line[f"at {threshold}"] = (
                "" if share is None else f"{share:.0%}, {'-' if right is None else f'{right:.1%}'}"
            )
        found.append(line)
    return found


def _equal_answers(name: str, runs: Sequence[Record], budget: int) -> dict[str, str]:
    points = [at_answers(run, budget) for run in runs]
    mean = {key: float(np.mean([point[key] for point in points])) for key in FIGURES}
    f1 = [100 * point["macro_f1"] for point in points]
    first = runs[0]["points"][0]
    spent, gained = mean["dollars"] - first["dollars"], np.mean(f1) - 100 * first["macro_f1"]
    return {
        "oracle": name,
        "labels": f"{mean['labels']:.0f}",
        "right": f"{mean['right'] / mean['labels']:.1%}" if mean["labels"] else "-",
        "by people": f"{mean['by_people']:.0f}",
        "dollars": _dollars(spent),
        "accuracy": f"{mean['accuracy']:.1%}",
        "macro-F1": f"{np.mean(f1):.1f} ± {np.std(f1):.1f}",
        "points gained": f"{gained:+.1f}",
        "points per dollar": f"{gained / spent:+.2f}" if spent >= CENT else "under 1 cent",
    }


def _dollars(amount: float) -> str:
    return f"{amount:.2f}" if amount >= CENT else f"{amount:.3f}"


def _equal_money(name: str, runs: Sequence[Record]) -> dict[str, str]:
    line = {"oracle": name}
    for dollars in MONEY:
        found = [at_money(run, dollars) for run in runs]
        line[f"${dollars:g}"] = f"{100 * np.mean([f1 for f1, _ in found]):.1f}{'*' if found[0][1] else ''}"
    last = [run["points"][-1] for run in runs]
    spent = np.mean([point["dollars"] for point in last]) - runs[0]["points"][0]["dollars"]
    line["whole pool"] = f"{100 * np.mean([point['macro_f1'] for point in last]):.1f} for ${_dollars(float(spent))}"
    return line


def evaluated(
    runs: Mapping[str, Sequence[Record]], llm: str, args: argparse.Namespace, people: float = 0.95, cascade: float = 0.9
) -> list[dict[str, str]]:
    """The estimates of a sample that a language model answers, alone or with trusted answers, and of others' samples.

    Columns: the model that people taught, the one that this language model taught, and the one of a cascade. A cell has
    the mean estimate, half the mean width of the interval, and the share of the intervals that hold the truth.
    """
    teachers = {
        some[0]["name"]: some
        for some in runs.values()
        if (some[0]["llm"], some[0]["threshold"], some[0]["people"])
        in ((None, 0.0, people), (llm, 0.0, None), (llm, cascade, people))
    }
    first = next(iter(teachers.values()))[0]["evaluated"]
    ways = {
        f"{args.trusted} trusted answers alone": "trusted alone",
        f"people {people:.0%}": f"people {people:.0%}",
        **{way: way for way in first if way.startswith(f"{llm} at")},
        f"{llm}, and {args.trusted} trusted answers": f"{llm} and trusted",
    }
    lines = [{"sample answered by": "the truth"}, *({"sample answered by": title} for title in ways)]
    for name, some in teachers.items():
        column = f"taught by {name}"
        lines[0][column] = f"{np.mean([run['evaluated']['trusted alone']['truth'] for run in some]):.1%}"
        for line, way in zip(lines[1:], ways.values(), strict=True):
            value, width, covered = (
                float(np.mean([run["evaluated"][way][key] for run in some])) for key in ("value", "width", "covered")
            )
            line[column] = f"{100 * value:.1f} ± {50 * width:.1f}; {covered:.0%}"
    return lines


def plot(records: Sequence[Record], llms: Sequence[str], path: Path) -> None:
    """Plot macro-F1 against answers, and against dollars, with a column of panels for each language model."""
    runs = by_design(records)
    figure, axes = plt.subplots(2, len(llms), figsize=(5.2 * len(llms), 8), sharex="row", sharey=True, squeeze=False)
    for column, llm in enumerate(llms):
        shown = [some for some in runs.values() if some[0]["llm"] is None or _is_shown(some[0], llm)]
        for some in shown:
            style = "-" if some[0]["llm"] is None else "--" if some[0]["people"] is None else "-."
            f1 = 100 * np.mean([[point["macro_f1"] for point in run["points"]] for run in some], axis=0)
            asked = [point["asked"] for point in some[0]["points"]]
            spent = np.mean([[point["dollars"] for point in run["points"]] for run in some], axis=0)
            for row, x in enumerate((asked, spent - spent[0])):
                axes[row, column].plot(x[1:], f1[1:], style, marker=".", label=some[0]["name"])
        axes[0, column].set(title=llm, xlabel="answers after the start")
        axes[1, column].set(xlabel="dollars after the start", xscale="log")
        for ax in axes[:, column]:
            ax.axhline(100 * records[0]["points"][0]["macro_f1"], color="grey", linewidth=0.8)
            ax.grid(alpha=0.3)
        axes[1, column].legend(fontsize=7, loc="lower center")
    for ax in axes[:, 0]:
        ax.set_ylabel("macro-F1 on the test file, %")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _is_shown(run: Record, llm: str) -> bool:
    return bool(run["llm"] == llm and run["threshold"] in ((0.0, 0.7) if run["people"] is None else (0.7, 0.9)))
