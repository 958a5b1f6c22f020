"""Compare learners on the same annotated names: zero-shot, in-context, LoRA on a language model, encoder, linear.

    make llm      SmolLM2-135M-Instruct in data/smollm2, the default --model
    python benchmarks/llm_learners.py --data ../shared/data/usda_sr28
    python benchmarks/llm_learners.py --data ../shared/data/banking77 --budgets 300 --learners causal encoder

The names are a uniform sample of the set's pool, without any query strategy, and a smaller budget's names are among
those of a larger one. All settings are the defaults, except the number of labels in a prompt, which is raised so that
all fit, and the prompts, which are plain text, since a small model follows it better; --chat keeps the chat template.
The test names are a random sample of the set's test file; intervals are 95 %. Each learner runs in a process of its
own. Finished results are appended to --lines and are not measured again, so a whole run can be made in pieces.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import results
from labelled_sets import LabelledSet, read_set
from pydantic import TypeAdapter

from laud_ray.cluster.connect import connect
from laud_ray.cluster.workers import Workers
from laud_ray.config import EncoderZeroShotConfig, VllmZeroShotConfig
from laud_ray.config.models import LearnerConfig
from laud_ray.errors import LaudError
from laud_ray.models import kinds
from laud_ray.models.encoder.encoding import device
from laud_ray.models.language.tuning.answer_model import training_dtype
from laud_ray.models.ray_train import Resources
from laud_ray.stats.estimates.figures import figures
from laud_ray.stats.estimates.sample import Sample
from laud_ray.steps.training.model import PROBE, memory_size
from laud_ray.types import Example, Learner

ROOT = Path(__file__).parents[1]
ZERO_SHOT = ("zero_shot_encoder", "zero_shot_llm")
LEARNERS = (*ZERO_SHOT, "in_context", "causal", "encoder", "linear")
# The most labels that a prompt may have.
MOST_LABELS = 128
# Scored before the clock starts, so that an engine's first batch does not count.
WARM = 32
TIMEOUT = 1800
# On one of these workers a language model chooses how it answers.
ENGINE = Workers(cpus=2, engines=1)


def learner(name: str, data: LabelledSet, args: argparse.Namespace) -> Learner:
    """Return a learner with the settings that a run of the product would give it."""
    rng = np.random.default_rng([args.seed, 1])
    texts = [data.texts[i] for i in rng.permutation(len(data.texts))]
    labels = {"max_labels": min(MOST_LABELS, max(64, len(data.task.labels)))}
    dtype = training_dtype(args.dtype, device())
    prompted = {"model": args.model, "dtype": dtype, "chat_template": args.chat, **labels}
    zero_shot = EncoderZeroShotConfig()
    if name == "zero_shot_encoder":
        return kinds.zero_shot(zero_shot, data.task)
    if name == "zero_shot_llm":
        return kinds.zero_shot(VllmZeroShotConfig(engine="vllm", **prompted), data.task, texts[:PROBE], ENGINE)
    given = {"kind": name} | (prompted if name in ("causal", "in_context") else {})
    config = TypeAdapter[LearnerConfig](LearnerConfig).validate_python(given)
    size = memory_size(None, data.task, len(texts)) if name == "encoder" else PROBE
    return kinds.build(config, zero_shot, Resources(), data.task, texts[:size], ENGINE)


def measure(name: str, budget: int, args: argparse.Namespace) -> results.Record:
    """Train one learner, score the test names with it, and return its figures."""
    data, seed = read_set(args.data), args.seed
    rows = np.random.default_rng([seed, 0]).permutation(len(data.texts))[:budget]
    tested = np.sort(np.random.default_rng([seed, 2]).permutation(len(data.test_texts))[: args.test])
    examples = [Example(data.texts[i], data.task.names[data.gold[i]]) for i in rows]
    texts, true = [data.test_texts[i] for i in tested], data.test_gold[tested]
    if name in ("zero_shot_llm", "in_context"):
        connect()
    with tempfile.TemporaryDirectory() as place:
        out = f"{place}/model"
        fitting = timed(lambda: learner(name, data, args).fit(data.task, examples, out=out, seed=seed))
        told = json.loads(Path(out, "model.json").read_text())
        opening, scorer = time.monotonic(), kinds.load(out)
        scorer.score(texts[:WARM])
        opened = time.monotonic() - opening
        scoring, proba = time.monotonic(), scorer.score(texts)
        scored = time.monotonic() - scoring
    predicted, confidence = proba.argmax(1), np.minimum(proba.max(1), 1.0)
    sample = Sample(true, predicted, confidence, np.zeros(len(true), np.int64), None)
    found = figures(sample, data.task.names, seed=seed)
    return {
        "accuracy": asdict(found.accuracy),
        "macro_f1": asdict(found.macro_f1),
        "calibration_error": found.calibration_error,
        "n": found.n,
        "rows_per_second": len(texts) / scored,
        "training_minutes": fitting / 60,
        "opening_seconds": opened,
        "classes_annotated": len({e.label for e in examples}),
        "told": {
            key: told[key]
            for key in ("temperature", "training", "learning_rate", "epochs", "failure", "measured")
            if key in told
        },
    }


def timed(work: Any) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def apart(key: results.Record, args: argparse.Namespace) -> results.Record:
    """Measure in a process of its own, whose engines end with it; the last line that it prints is the result."""
    command = [sys.executable, __file__, "--only", key["learner"], str(key["budget"]), "--data", str(args.data)]
    command += ["--model", args.model, "--dtype", args.dtype, "--seed", str(args.seed), "--test", str(args.test)]
    command += ["--chat"] * args.chat
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise SystemExit(f"{key['learner']} failed:\n{done.stderr[-4000:]}")
    found: results.Record = json.loads(done.stdout.splitlines()[-1])
    return found


def percent(found: dict[str, float]) -> str:
    return f"{100 * found['value']:.1f} ({100 * found['low']:.1f}-{100 * found['high']:.1f})"


def table(records: list[results.Record]) -> str:
    """Return the table of results, in Markdown; n is the number of test names."""
    heads = ("learner", "annotations", "accuracy", "macro-F1", "calibration error", "rows/s", "training, min")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for one in records:
        cells = (
            one["learner"],
            str(one["budget"]),
            percent(one["accuracy"]),
            percent(one["macro_f1"]),
            f"{one['calibration_error']:.3f}",
            f"{one['rows_per_second']:.0f}",
            f"{one['training_minutes']:.1f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    failed = [
        f"{one['learner']} with {one['budget']}: {one['told']['failure']}"
        for one in records
        if "failure" in one["told"]
    ]
    return "\n".join([*lines, *failed])


def missing(args: argparse.Namespace) -> str | None:
    """Return what is not there and how to get it; None if all is there."""
    if not args.data.exists():
        return (
            f"--data: {args.data} does not exist; expected a folder with train.parquet and test.parquet (text, label)"
        )
    learners = args.only[:1] if args.only else args.learners
    if {*learners} - {"zero_shot_encoder", "encoder", "linear"} and not Path(args.model).is_dir():
        return f"--model: {args.model} does not exist; expected a model folder (make llm makes data/smollm2)"
    return None


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train.parquet and test.parquet")
    parser.add_argument("--budgets", type=int, nargs="+", default=[300, 500], help="numbers of annotated names")
    parser.add_argument("--test", type=int, default=400, help="size of the sample of the test file")
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=list(LEARNERS))
    parser.add_argument("--model", default=str(ROOT / "data/smollm2"), help="folder of the language model")
    parser.add_argument("--chat", action="store_true", help="prompts in the model's chat template")
    parser.add_argument("--dtype", default="auto", help="of the language model: auto, bfloat16 or float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", type=Path, default=ROOT / "data/llm_learners.jsonl", help="finished results")
    parser.add_argument("--out", type=Path, help="JSON file for the results of this call")
    parser.add_argument("--only", nargs=2, metavar=("LEARNER", "BUDGET"), help="one measurement, printed as JSON")
    return parser.parse_args(given)


def main() -> None:
    args = arguments()
    if (lack := missing(args)) is not None:
        raise SystemExit(lack)
    if args.only:
        try:
            print(json.dumps(measure(args.only[0], int(args.only[1]), args)), flush=True)
        except LaudError as error:
            raise SystemExit(str(error)) from None
        return
    records = []
    for name in args.learners:
        for budget in [0] if name in ZERO_SHOT else args.budgets:
            key = {"data": args.data.name, "learner": name, "budget": budget, "seed": args.seed, "test": args.test}
            key |= {"model": Path(args.model).name, "dtype": args.dtype, "plain": not args.chat}
            known = [one for one in results.read(args.lines) if one.items() >= key.items()]
            if not known:
                known = [key | apart(key, args)]
                results.append(args.lines, known[0])
            records.append(known[-1])
            print(f"{name}, {budget}: {percent(known[-1]['accuracy'])}", file=sys.stderr, flush=True)
    print(f"{args.data.name}: {records[0]['n']} test names, % with 95 % intervals")
    print(table(records))
    if args.out:
        args.out.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
