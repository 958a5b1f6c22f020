"""Measure LoRA training of a causal learner: packed against padded prompts, and this process against two workers.

    make llm
    python benchmarks/training.py                     about 8 minutes on two cores
    python benchmarks/training.py --model FOLDER --examples 96

The model FLOPs utilisation (MFU) is what the model's arithmetic needs per second, as a share of what a product of two
matrices reaches in the same process and type just before. Needed are 4 operations per parameter and token, because
frozen weights get no gradient (2 forward, 2 for the gradient of the activations), and 6 for the adapter's; attention
beyond that is left out, as are activations that are recomputed. Tokens are those of the layout itself: a padded batch
computes the shared prefix once per example, a packed one once per row, so compare examples per second, not MFU.
"""

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from names import demo
from torch.nn.functional import cross_entropy

from laud_ray import loop
from laud_ray.config import CausalConfig
from laud_ray.models import ray_train
from laud_ray.models.language.causal import fixed_prompt
from laud_ray.models.language.label_prompt import LabelPrompt
from laud_ray.models.language.tuning.answer_model import adapted
from laud_ray.models.language.tuning.training import encode_bodies
from laud_ray.models.packing import into_packs, pack
from laud_ray.models.ray_train import Resources
from laud_ray.types import Example, Label, Task

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
SIDE = 2048
# Steps before the clock starts.
WARM = 1


def catalog(n: int) -> tuple[Task, list[Example]]:
    """Return n product names of the demo catalog with their categories."""
    rows = demo().catalog(2 * n, seed=1000)[0][:n]
    labels = tuple(Label(name) for name in sorted(demo().load_grammar().categories))
    return Task("shelf", "multiclass", labels), [Example(row.text, row.label) for row in rows]


def settings(model: str, dtype: str, **changed: Any) -> CausalConfig:
    return CausalConfig.model_validate({"kind": "causal", "model": model, "dtype": dtype, **changed})


def peak(dtype: torch.dtype) -> float:
    """Return the operations per second of a product of two square matrices: the best of five."""
    a, b = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
    a @ b
    return 2 * SIDE**3 / min(timed(lambda: a @ b) for _ in range(5))


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


class Layouts:
    """A model and its batches, as packed rows and as padded prompts."""

    def __init__(self, model: Any, prompt: LabelPrompt, examples: Sequence[Example]) -> None:
        self.model, self.codes, self.prefix = model, list(prompt.token_ids), list(prompt.frames[0].prefix_ids)
        self.bodies, self.targets = encode_bodies(prompt, examples)
        self.adapter = [p for p in model.parameters() if p.requires_grad]
        self.mixed = next(model.parameters()).dtype == torch.bfloat16

    def packed(self, rows: Sequence[int], budget: int = 8192) -> tuple[torch.Tensor, int]:
        """Return the loss of a batch in packed rows, and its tokens."""
        loss, tokens = torch.zeros(()), 0
        for group in into_packs([len(self.bodies[i]) for i in rows], len(self.prefix), budget):
            chosen = [rows[i] for i in group]
            one = pack(self.prefix, [self.bodies[i] for i in chosen])
            logits = self.model(
                input_ids=one.ids,
                position_ids=one.positions,
                attention_mask=one.mask,
                logits_to_keep=one.ends,
                use_cache=False,
            ).logits[0]
            loss = loss + self._loss(logits, chosen)
            tokens += one.ids.numel()
        return loss, tokens

    def padded(self, rows: Sequence[int]) -> tuple[torch.Tensor, int]:
        """Return the loss of a batch of whole prompts, padded on the left, and its tokens with padding."""
        whole = [self.prefix + list(self.bodies[i]) for i in rows]
        longest = max(map(len, whole))
        ids = torch.tensor([[0] * (longest - len(one)) + one for one in whole])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in whole])
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits = self.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False
        ).logits[:, -1]
        return self._loss(logits, rows), ids.numel()

    def measure(self, layout: Callable[[Sequence[int]], tuple[torch.Tensor, int]], batch: int) -> dict[str, float]:
        """Train on all examples once; return examples, tokens and needed operations per second, and the mean loss."""
        batches = [list(range(i, min(i + batch, len(self.bodies)))) for i in range(0, len(self.bodies), batch)]
        optimizer = torch.optim.AdamW(self.adapter, lr=1e-4)
        seconds, tokens, losses = 0.0, 0, []
        for step, rows in enumerate([*batches[:WARM], *batches]):
            began = time.monotonic()
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
                loss, count = layout(rows)
            (loss / len(rows)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step >= WARM:
                seconds, tokens = seconds + time.monotonic() - began, tokens + count
                losses.append(float(loss.detach()))
        return {
            "examples_per_second": len(self.bodies) / seconds,
            "tokens_per_second": tokens / seconds,
            "operations_per_second": self.operations() * tokens / seconds,
            "loss": sum(losses) / len(self.bodies),
        }

    def operations(self) -> int:
        """Return the operations per token: of the embedding only a row is read, and of the head few tokens need one."""
        embeddings = {id(m.weight) for m in (self.model.get_input_embeddings(), self.model.get_output_embeddings())}
        frozen = sum(p.numel() for p in self.model.parameters() if not p.requires_grad and id(p) not in embeddings)
        return 4 * frozen + 6 * sum(p.numel() for p in self.adapter)

    def _loss(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        targets = torch.from_numpy(self.targets[np.asarray(rows)])
        return cross_entropy(logits[:, self.codes].float(), targets, reduction="sum")


def timing(config: dict[str, Any]) -> None:
    """The product's training loop, which leaves the seconds of each epoch behind."""
    import time
    from pathlib import Path

    from laud_ray.models import ray_train
    from laud_ray.models.language.tuning import course, training

    whole = course.Course.epoch

    def epoch(self: Any, number: int) -> Any:
        began = time.monotonic()
        found = whole(self, number)
        if ray_train.rank() == 0:
            with Path(config["times"]).open("a") as file:
                file.write(f"{time.monotonic() - began}\n")
        return found

    course.Course.epoch = epoch  # type: ignore[method-assign]
    training.train(config)
    course.Course.epoch = whole  # type: ignore[method-assign]


def product(config: CausalConfig, task: Task, examples: Sequence[Example], workers: int) -> dict[str, float]:
    """Train twice through all examples with the product's loop; the second epoch counts."""
    with tempfile.TemporaryDirectory() as place:
        given = {
            "settings": config.model_copy(update={"epochs": 2, "holdout": 0.0}),
            "prompt": fixed_prompt(task, config),
            "examples": tuple(examples),
            "seed": 0,
            "description": {"kind": "causal", "labels": list(task.names)},
            "restartable": False,
            "times": f"{place}/times",
        }
        began = time.monotonic()
        ray_train.fit(timing, given, Resources(workers=workers, storage=f"{place}/train"), f"{place}/model")
        whole = time.monotonic() - began
        seconds = [float(line) for line in Path(given["times"]).read_text().split()]
    return {"examples_per_second": len(examples) / seconds[1], "whole_seconds": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT / "data/smollm2"))
    parser.add_argument("--examples", type=int, default=96)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--dtype", default="auto", help="of the base model: auto, bfloat16 or float32")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2], help="none: only the layouts")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    args = parser.parse_args()
    if not Path(args.model).is_dir():
        raise SystemExit(f"--model: {args.model} does not exist; expected a model folder (make llm makes data/smollm2)")
    logging.disable(logging.WARNING)
    task, examples = catalog(args.examples)
    config = settings(args.model, args.dtype, batch=args.batch, checkpointing=False)
    torch.manual_seed(0)
    layouts = Layouts(adapted(config, CPU), fixed_prompt(task, config), examples)
    dtype = torch.bfloat16 if layouts.mixed else torch.float32
    best = peak(dtype)
    print(f"{args.examples} examples, batch {args.batch}, {dtype}, {torch.get_num_threads()} threads; "
          f"a matrix product: {best / 1e9:.0f} GFLOP/s")  # fmt: skip
    found: dict[str, Any] = {"peak": best, "dtype": str(dtype), "examples": args.examples, "batch": args.batch}
    for name, layout in (("packed", layouts.packed), ("padded", layouts.padded)):
        one = layouts.measure(layout, args.batch)
        one["mfu"] = one["operations_per_second"] / best
        found[name] = one
        print(f"{name}: {one['examples_per_second']:.2f} examples/s, {one['tokens_per_second']:.0f} tokens/s, "
              f"MFU {one['mfu']:.0%}, mean loss {one['loss']:.3f}", flush=True)  # fmt: skip
    for workers in args.workers:
        if workers:
            loop.connect()
        found[f"workers_{workers}"] = one = product(config, task, examples, workers)
        print(f"{workers} workers: {one['examples_per_second']:.2f} examples/s, "
              f"{one['whole_seconds']:.0f} s with start-up", flush=True)  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
