"""Compare a cascade with its full model on real names: rows/s, agreement, and the coverage at other targets.

    python benchmarks/cascade.py ../shared/data                    all sets, with a new model of 500 labels for each
    python benchmarks/cascade.py ../shared/data --sets usda_sr28 --models /tmp/models     keep models for reuse

The rows that are timed and compared are a quarter of each set, without the texts of the 500 labels. They are not used
for the model, the student or the threshold. Full model and cascade alternate in one process, on one thread. The sample
for the cascade is three quarters of a set, because the sets are small; a catalog of a million names would give a sample
of 50,000.
"""

import argparse
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from laud_ray.models import kinds
from laud_ray.models.student import cascade
from laud_ray.texts import normalise_text
from laud_ray.types import Example, Floats, Label, Scorer, Task

SETS = ("usda_sr28", "fndds_food", "hs_chapter", "banking77")
TARGETS = (0.95, 0.97, 0.98, 0.99, 0.995)
LABELLED = 500


def rows(folder: Path) -> dict[str, str]:
    """Return the distinct texts of a set and their labels."""
    tables = [pq.read_table(folder / f"{part}.parquet", columns=["text", "label"]) for part in ("train", "test")]
    found: dict[str, str] = {}
    for table in tables:
        for text, label in zip(table.column("text").to_pylist(), table.column("label").to_pylist(), strict=True):
            found.setdefault(normalise_text(text), label)
    return found


def full_model(name: str, labelled: Sequence[Example], labels: Sequence[str], place: Path) -> Scorer:
    folder = place / name
    if not (folder / "model.json").exists():
        task = Task(name, "multiclass", tuple(map(Label, labels)))
        kinds.EncoderLearner().fit(task, labelled, out=str(folder), seed=0)
    return kinds.load(str(folder))


def measure(folder: Path, place: Path, targets: Sequence[float], most: int) -> list[dict[str, Any]]:
    known = rows(folder)
    texts = list(known)
    order = np.random.default_rng(0).permutation(len(texts))
    labelled = [Example(texts[i], known[texts[i]]) for i in order[:LABELLED]]
    teacher = full_model(folder.name, labelled, sorted(set(known.values())), place)
    others = [texts[i] for i in order[LABELLED:][:most]]
    sample, fresh = others[: len(others) * 3 // 4], others[len(others) * 3 // 4 :]
    taught = teacher.score(sample)
    teacher.score(fresh[:200])
    expected, seconds = timed(lambda: teacher.score(fresh))
    return [compare(folder.name, teacher, sample, taught, fresh, expected, target, seconds) for target in targets]


def compare(
    name: str,
    teacher: Scorer,
    sample: Sequence[str],
    taught: Floats,
    fresh: Sequence[str],
    expected: Floats,
    target: float,
    full_seconds: float,
) -> dict[str, Any]:
    """Return one row of the table; a cascade whose verification failed has no speed-up."""
    made, making = timed(lambda: cascade.prepare(teacher.labels, sample, taught, agreement=target, seed=0))
    checked = made.verification
    line = {
        "data": name,
        "labels": len(teacher.labels),
        "sample": len(sample),
        "target": target,
        "passed": checked.passed,
        "raised": checked.raised_from is not None,
        "verified": checked.agreement,
        "low": checked.low,
        "distilling": making,
        "full": len(fresh) / full_seconds,
    }
    made.student.score(fresh)
    _, own = timed(lambda: made.student.score(fresh))
    line["student"] = len(fresh) / own
    if not checked.passed:
        return line
    scorer = made.over(teacher)
    (proba, by_student), seconds = timed(lambda: scorer.answer(fresh))
    # The full model again, so that its rate and the cascade's come from the same minute.
    _, again = timed(lambda: teacher.score(fresh))
    return {
        **line,
        "full": len(fresh) / again,
        "rows": len(fresh),
        "agreement": float(np.mean(proba.argmax(1) == expected.argmax(1))),
        "coverage": float(by_student.mean()),
        "cascade": len(fresh) / seconds,
        "speed_up": again / seconds,
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = work()
    return found, time.perf_counter() - began


def show(line: dict[str, Any]) -> str:
    bound = f"{line['verified']:.2%}, {line['low']:.2%}{' (raised)' if line['raised'] else ''}"
    shown = [line["data"], str(line["sample"]), f"{line['target']:.1%}", bound]
    if line["passed"]:
        shown += [f"{line['agreement']:.2%} of {line['rows']}", f"{line['coverage']:.1%}"]
        shown += [f"{line['full']:.0f}", f"{line['cascade']:.0f}", f"{line['speed_up']:.1f}"]
    else:
        shown += ["refused", "", f"{line['full']:.0f}", "", ""]
    return "| " + " | ".join([*shown, f"{line['student']:.0f}", f"{line['distilling']:.0f}"]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--targets", nargs="+", type=float, default=TARGETS)
    parser.add_argument("--models", type=Path, help="folder in which models are kept for reuse")
    parser.add_argument("--most", type=int, default=1_000_000, help="the most texts of a set, for a quick check")
    parser.add_argument("--json", action="store_true", help="print each row of the table as a line of JSON")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    absent = [name for name in args.sets if not (args.data / name / "train.parquet").exists()]
    if absent:
        raise SystemExit(f"{args.data}: no {', '.join(absent)}; expected the real data sets there: nothing measured")
    if not args.json:
        print("| set | sample | target | verified, bound | fresh rows | coverage | full rows/s | cascade rows/s "
              "| times | student rows/s | distilling s |")  # fmt: skip
        print("|---" * 11 + "|")
    with TemporaryDirectory() as scratch:
        for name in args.sets:
            for line in measure(args.data / name, args.models or Path(scratch), args.targets, args.most):
                print(json.dumps(line) if args.json else show(line), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
