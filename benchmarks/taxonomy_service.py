"""How long a request takes with many labels: the same encoder served with 100 and with 30,000 leaves.

    python benchmarks/taxonomy_service.py [--leaves 100 30000] [--requests 400] [--texts ../shared/data/onet_unspsc]

The leaves have synthetic names in a tree of four levels. The models are zero-shot: a leaf's row of the head is the
embedding of its name, so that no training differs. Each has a process of its own, on one core, with the service's real
HTTP application, but without Ray's proxy. Another process sends one text at a time and waits for the answer. The two
services take turns in rounds of requests, so that other work on the machine disturbs both.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq

ROUNDS = 8
# Not a function here: beside benchmarks/serve.py, the package `serve` cannot be imported.
SERVE = """
import logging, os, sys, uvicorn
from serve.api import make_api
from serve.app import SWITCH_S
from serve.arguments import Arguments
from serve.service import Service
from serve.tokens import Tokens

model, port, core = sys.argv[1:]
os.sched_setaffinity(0, {int(core)})
sys.setswitchinterval(SWITCH_S)
arguments = Arguments(run=model, allow_anonymous=True, poll_s=3600)
api = make_api(Service(arguments, logging.getLogger("benchmark")), Tokens.open(None))
uvicorn.run(api, port=int(port), log_config=None)
"""
THINGS = (
    "Milk",
    "Bread",
    "Cheese",
    "Drill",
    "Lamp",
    "Shirt",
    "Phone",
    "Chair",
    "Paint",
    "Book",
    "Soap",
    "Rope",
    "Tyre",
)
TRAITS = ("small", "large", "red", "blue", "steel", "wooden", "organic", "frozen", "spare", "heavy", "light", "used")


def tree_of(leaves: int):
    """Return a taxonomy of four levels with so many leaves, whose names are made of product words."""
    from laud_ray.taxonomy import read_found

    width = max(2, round(leaves ** (1 / 4)))
    paths = []
    for i, place in enumerate(product(range(width * 2), repeat=4)):
        if i == leaves:
            break
        names = [
            f"{TRAITS[(p + j) % len(TRAITS)]} {THINGS[(p * 7 + j) % len(THINGS)]} {p}" for j, p in enumerate(place)
        ]
        paths.append((" > ".join(names), 1))
    return read_found(paths, "synthetic")


def make(leaves: int, place: Path) -> Path:
    from laud_ray.models.kinds import LinearLearner
    from laud_ray.steps.training.model import train
    from laud_ray.storage.folder import Folder
    from laud_ray.taxonomy.task import task_of

    train(LinearLearner(), task_of("benchmark", tree_of(leaves)), [], Folder(str(place)), f"leaves-{leaves}", 0)
    return place / f"leaves-{leaves}"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ready(client: httpx.Client, until: float) -> None:
    while time.monotonic() < until:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("the service did not become ready")


def measure(client: httpx.Client, texts: list[str], options: dict) -> list[float]:
    times = []
    for text in texts:
        began = time.perf_counter()
        answer = client.post("/v1/classify", json={"texts": [text], **options})
        times.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, nargs=2, default=[100, 30_000])
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--texts", type=Path, default=Path("../shared/data/onet_unspsc"))
    arguments = parser.parse_args()
    texts = pq.read_table(arguments.texts / "test.parquet", columns=["text"])["text"].to_pylist()
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[: arguments.requests]]
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        services = []
        for leaves in arguments.leaves:
            model, port = make(leaves, Path(folder)), free_port()
            command = [sys.executable, "-c", SERVE, str(model), str(port), str(cores[-1])]
            process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})  # as Ray sets for one CPU
            services.append((leaves, process, httpx.Client(base_url=f"http://127.0.0.1:{port}")))
        os.sched_setaffinity(0, {cores[0]})
        try:
            for _, _, client in services:
                ready(client, time.monotonic() + 300)
                measure(client, texts[:20], {})
            for options in ({}, {"level": 2}, {"top_k": 50}):
                found: dict[int, list[float]] = {leaves: [] for leaves, _, _ in services}
                for part in np.array_split(np.asarray(texts, object), ROUNDS):
                    for leaves, _, client in services:
                        found[leaves] += measure(client, part.tolist(), options)
                report(found, options)
        finally:
            for _, process, client in services:
                client.close()
                process.terminate()
                process.wait()


def report(found: dict[int, list[float]], options: dict) -> None:
    halves = {leaves: np.quantile(times, [0.5, 0.95]) for leaves, times in found.items()}
    told = [f"{leaves:,} leaves p50 {p50:.2f} ms, p95 {p95:.2f} ms" for leaves, (p50, p95) in halves.items()]
    (first, _), (second, _) = halves.values()
    n = len(next(iter(found.values())))
    print(f"{json.dumps(options)}: {'; '.join(told)}; p50 ratio {second / first:.2f} (n = {n} each)", flush=True)


if __name__ == "__main__":
    main()
