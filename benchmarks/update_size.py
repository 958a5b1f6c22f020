"""What does an update of 10,000 documents cost beside 100,000 and 1,000,000, by step, against a pass over all?

    python benchmarks/update_size.py FOLDER [--sizes 100000 1000000] [--new 10000] [--nights 2]

The product runs as it is on one core, but for its encoder: that adds up random vectors of tokens, so that all the rest
is measured in minutes. Its time is added: the texts that were embedded, by the rate of the bundled encoder on some of
the same names. All seconds are processor time, of the command and of Ray's workers, without the start of Python and
Ray. Each part runs in a process of its own and adds a line to FOLDER/lines.jsonl; a part with a line is skipped.
`memory` is the peak of the command's process above that at its start, in MB.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import results
from memory import peak

# Replaces the encoder in every process, and counts the texts that it embeds.
HOOK = """
import importlib.util, os, sys


class Hook:
    def find_spec(self, name, path=None, target=None):
        if name != "laud_ray.models.encoder.encoding":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            module.Encoder.embed_tokens = embed_tokens

        spec.loader.exec_module = exec_module
        return spec


def embed_tokens(self, ids):
    import numpy as np

    table = self.__dict__.get("_cheap")
    if table is None:
        table = np.random.default_rng(0).standard_normal((len(self.tokenizer), self.dimensions)).astype(np.float32)
        self.__dict__["_cheap"] = table
    out = np.empty((len(ids), self.dimensions), np.float32)
    for start in range(0, len(ids), 512):
        some = ids[start : start + 512]
        first = np.cumsum([0] + [len(row) for row in some[:-1]])
        out[start : start + len(some)] = np.add.reduceat(table[np.concatenate(some)], first)
    with open(os.environ["EMBEDDED"], "a") as counts:
        counts.write(f"{len(ids)}\\n")
    return out / np.linalg.norm(out, axis=1, keepdims=True)


sys.meta_path.insert(0, Hook())
"""


def write(path: Path, rows: int, seed: int) -> Path:
    """Write names with labels, each with a number at random."""
    from names import seeds

    rng, (names, labels) = np.random.default_rng(seed), seeds()
    which, number = rng.integers(len(names), size=rows), rng.integers(10_000_000_000, size=rows)
    texts = [f"{names[i]} {n}" for i, n in zip(which, number, strict=True)]
    pq.write_table(pa.table({"text": texts, "label": [labels[i] for i in which]}), path)
    return path


def start(place: Path, size: int, observer: "Steps") -> str:
    """Run over `size` documents, and make the model that it trained current; return its name."""
    import yaml
    from names import demo

    from laud_ray import loop
    from laud_ray.config import parse
    from laud_ray.store import registry
    from laud_ray.store.run import look_at

    run = place / f"run-{size}"
    settings = {
        "task": {"name": "size", "kind": "multiclass", "labels": [{"name": one} for one in demo().LABELS]},
        "corpus": {"path": str(write(place / f"{size}.parquet", size, 0)), "text": "text"},
        "storage": str(run),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"max_queries": 60},
        "query": {"batch": 100},
        "evaluation": {"size": 50, "stop_set": 50},
        "budget": {"annotations": 100},
    }
    loop.run(parse(yaml.safe_dump(settings)), observer)
    with look_at(str(run)) as folder:
        model = folder.store.history()[-1].model
    registry.promote(str(run), model)
    return model


def night(place: Path, size: int, number: int, new: int, observer: "Steps") -> str:
    """Update a run with `new` documents; return how that ended."""
    from laud_ray.update.update import update

    return update(
        str(place / f"run-{size}"), str(write(place / f"{size}-{number}.parquet", new, number)), observer
    ).state


class Steps:
    """An observer of a run, which adds up the processor time of its steps: of this process and of Ray's workers."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._known: dict[int, float] = {}
        self._began = self.spent()

    def __call__(self, event: Any) -> None:
        if event.kind == "begin":
            self._began = self.spent()
        elif event.kind == "end":
            spent = round(self.spent() - self._began, 1)
            self.seconds[event.step] = round(self.seconds.get(event.step, 0.0) + spent, 1)

    def spent(self) -> float:
        """Return the seconds until now; those of a worker that has ended are the last that were seen."""
        here = psutil.Process()
        for one in [here, *here.children(recursive=True)]:
            with suppress(psutil.Error):
                if one.pid == here.pid or one.name().startswith("ray::"):
                    times = one.cpu_times()
                    self._known[one.pid] = times.user + times.system
        return sum(self._known.values())


def part(place: Path, size: int, number: int, new: int) -> dict[str, Any]:
    """Do a part in this process: the run, which is number 0, or a night."""
    import ray

    from laud_ray.update import update  # noqa: F401 - imports do not count

    address = ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False).address_info["address"]
    os.environ["RAY_ADDRESS"] = address
    ray.get(ray.remote(lambda: __import__("laud_ray.passes.run") and None).remote())  # a worker is warm
    counted, steps = Path(os.environ["EMBEDDED"]), Steps()
    embedded = sum(map(int, counted.read_text().split())) if counted.exists() else 0
    before, memory, began = steps.spent(), peak(), time.perf_counter()
    state = night(place, size, number, new, steps) if number else start(place, size, steps)
    return {
        "size": size,
        "number": number,
        "state": state,
        "seconds": round(steps.spent() - before, 1),
        "wall": round(time.perf_counter() - began, 1),
        "steps": steps.seconds,
        "embedded": sum(map(int, counted.read_text().split())) - embedded,
        "memory": round(peak() - memory),
    }


def rate() -> float:
    """Return texts/s of the bundled encoder on one thread."""
    from names import seeds

    from laud_ray.models.encoder.encoding import BUNDLED, Encoder

    encoder = Encoder(BUNDLED, 64).freeze()
    texts = [f"{name} {i * 7919}" for i, name in enumerate(seeds()[0][:3000])]
    encoder.embed(texts[:200])
    began = time.process_time()
    encoder.embed(texts)
    return len(texts) / (time.process_time() - began)


def report(lines: list[dict[str, Any]], speed: float) -> None:
    """Print the time of each night as a share of that of the pass by the model of the first round."""
    print(f"the encoder: {speed:.0f} texts/s on one thread")
    for size in dict.fromkeys(one["size"] for one in lines):
        passed = next(one["steps"]["score"] for one in lines if (one["size"], one["number"]) == (size, 0))
        print(f"a pass over {size:,}: {passed:.0f} s and {size / speed:.0f} s of the encoder")
        for one in lines:
            if one["size"] == size and one["number"]:
                encoder = one["embedded"] / speed
                share = (one["seconds"] + encoder) / (passed + size / speed)
                told = ", ".join(f"{step} {seconds}" for step, seconds in one["steps"].items())
                print(
                    f"  night {one['number']}, {one['state']}: {one['seconds']} s ({told}) and {encoder:.0f} s of the "
                    f"encoder ({one['embedded']:,} texts): {share:.4f} of a pass; {one['memory']} MB"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--part", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    place = args.place.resolve()
    if args.part:
        print(json.dumps(part(place, *args.part, args.new)))
        return
    hook, lines = place / "hook", place / "lines.jsonl"
    hook.mkdir(parents=True, exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    path = os.pathsep.join([str(hook), *filter(None, [os.environ.get("PYTHONPATH")])])
    changed = {"PYTHONPATH": path, "EMBEDDED": str(place / "embedded.txt"), "OMP_NUM_THREADS": "1"}
    known = results.read(lines)
    for size in args.sizes:
        for number in range(args.nights + 1):
            if any((one["size"], one["number"]) == (size, number) for one in known):
                continue
            command = [sys.executable, __file__, str(place), "--new", str(args.new), "--part", str(size), str(number)]
            done = subprocess.run(command, env={**os.environ, **changed}, stdout=subprocess.PIPE, text=True, check=True)
            known.append(json.loads(done.stdout.splitlines()[-1]))
            results.append(lines, known[-1])
    report([one for one in known if one["size"] in args.sizes], rate())


if __name__ == "__main__":
    main()
