"""Measure the overhead of passes: rates against a plain loop and sentence-transformers, and memory by corpus size.

python benchmarks/passes.py corpus                   2,000,000 names normalised, here and on workers, twice each
python benchmarks/passes.py corpus --before TREE     the same beside an earlier checkout, alternating
python benchmarks/passes.py beside DATA --before TREE    warm passes of both, alternating: cheap, and the encoder
python benchmarks/passes.py ranges                   20,000 ranges of next to nothing over the workers
python benchmarks/passes.py rate ../shared/data      20,000 real names with the bundled encoder
python benchmarks/passes.py memory                   200,000 and 2,000,000 short names with a cheap scorer
"""

from __future__ import annotations  # a class that is sent to workers must not need this module's names

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray import loop
from laud_ray.config import CorpusConfig
from laud_ray.data.corpus import Corpus
from laud_ray.data.sharding.normalise import normalise
from laud_ray.models import kinds
from laud_ray.passes import run
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Label, Scorer, Task


def real_names(data: Path, n: int) -> list[str]:
    files = sorted(data.glob("*/train.parquet"))
    texts = [text for file in files for text in pq.read_table(file).column("text").to_pylist()]
    order = np.random.default_rng(0).permutation(len(texts))[:n]
    return list(dict.fromkeys(texts[i] for i in order))


def make_corpus(texts: list[str], place: Path) -> Corpus:
    pq.write_table(pa.table({"text": texts}), place / "names.parquet")
    return normalise(CorpusConfig(path=str(place / "names.parquet"), text="text"), Folder(str(place / "corpus")))


def rate(data: Path, n: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        texts = real_names(data, n)
        corpus = make_corpus(texts, place)
        task = Task("t", "multiclass", tuple(Label(name) for name in ("food", "tool", "bank", "cloth", "machine")))
        kinds.EncoderLearner().fit(task, [], out=str(place / "model"), seed=0)
        scorer = kinds.load(str(place / "model"))
        scorer.score(texts[:500])
        bare = timed(lambda: scorer.score(texts))
        print(f"bare single-process loop, length-sorted batches: {len(texts) / bare:.0f} texts/s", flush=True)
        began = time.monotonic()
        loop.connect()
        ray_start = time.monotonic() - began
        for name in ("cold", "warm"):
            result = run.run_pass(corpus, Folder(str(place / "model")), Folder(str(place / name)), name="m")
            whole = result.rows / result.seconds
            # Start-up is the time to the first result minus the time for one range.
            steady = (result.rows - corpus.ranges[0].rows) / (result.seconds - result.start_up)
            print(
                f"pass ({name} workers): {whole:.0f} rows/s in all, {steady:.0f} rows/s after the first range, "
                f"which came after {result.start_up:.1f} s (ray.init {ray_start:.1f} s apart); "
                f"ratio to the bare loop {steady * bare / len(texts):.2f}, "
                f"start-up included {whole * bare / len(texts):.2f}",
                flush=True,
            )
        from sentence_transformers import SentenceTransformer

        from laud_ray.models.encoder.encoding import model_path

        rival = SentenceTransformer(model_path("bundled"), device="cpu")
        rival.encode(texts[:500])
        theirs = timed(lambda: rival.encode(texts))
        print(f"sentence-transformers encode, defaults: {len(texts) / theirs:.0f} texts/s")
        print(f"ratio of the warm pass, start-up included, to sentence-transformers: {whole * theirs / len(texts):.2f}")


def timed(work) -> float:  # type: ignore[no-untyped-def]
    began = time.monotonic()
    work()
    return time.monotonic() - began


def cheap(_: str) -> Scorer:
    class Hashing:
        labels = ("a", "b", "c")

        def score(self, texts: Sequence[str]) -> Floats:
            numbers = np.asarray([[len(t) + 1, ord(t[0]), ord(t[-1])] for t in texts], np.float32)
            proba: Floats = numbers / numbers.sum(1, keepdims=True)
            return proba

    return Hashing()


def one_pass(n: int) -> None:
    """Normalise and score n names; runs in a separate process."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        writer = pq.ParquetWriter(place / "names.parquet", pa.schema([("text", pa.string())]))
        for start in range(0, n, 100_000):
            names = [f"choc bar {i * 7919 % 1_000_003} {i}g" for i in range(start, start + 100_000)]
            writer.write_table(pa.table({"text": names}))
        writer.close()
        corpus_config = CorpusConfig(path=str(place / "names.parquet"), text="text")
        corpus = normalise(corpus_config, Folder(str(place / "corpus")))
        loop.connect()
        print("pass begins", flush=True)
        result = run.run_pass(corpus, Folder("none"), Folder(str(place / "out")), name="m", load=cheap)
        print(f"pass ends {result.rows} rows in {result.seconds:.1f} s", flush=True)


# Runs in a separate process, with either version: "here" is without Ray; for "workers" Ray starts before the clock.
NORMALISE = """
import json, sys, tempfile, time
from importlib import import_module
import psutil
try:
    from laud_ray.data.sharding import normalise as corpus
except ImportError:
    try:
        from laud_ray.data import corpus
    except ImportError:
        from laud_ray import corpus
try:
    from laud_ray.storage.folder import Folder
except ImportError:
    from laud_ray.storage import Folder
from laud_ray.config import CorpusConfig
path, how = sys.argv[1:]
if how == "here":
    corpus.LARGE = 1 << 60
else:
    corpus.LARGE = 0
    from laud_ray.cluster.connect import connect
    from laud_ray.cluster.ranges import Workers, map_ranges
    connect()
    def warm(name, job):
        import_module(corpus.__name__)
    list(map_ranges(["a", "b", "c", "d"], warm, None, Workers()))
def cpu():
    me = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in [me, *me.children(recursive=True)])
with tempfile.TemporaryDirectory() as place:
    spent, began = cpu(), time.monotonic()
    found = corpus.normalise(CorpusConfig(path=path, text="text"), Folder(place + "/corpus"))
    seconds = time.monotonic() - began
    print(json.dumps([found.counts["documents"] / seconds, cpu() - spent, found.fingerprint]))
"""


def corpus(documents: int, before: str | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "names.parquet"
        with pq.ParquetWriter(path, pa.schema([("text", pa.string())])) as writer:
            for start in range(0, documents, 100_000):
                rows = range(start, min(start + 100_000, documents))
                writer.write_table(
                    pa.table({"text": [f"choc bar {i * 7919 % 1_000_003} {i % 1_605_600}g" for i in rows]})
                )
        ways = [("before", before, "here")] if before else []
        ways += [("here", None, "here"), ("workers", None, "workers")]
        for name, tree, how in 2 * ways:
            done = subprocess.run(
                [sys.executable, "-c", NORMALISE, str(path), how],
                cwd=tree or Path(__file__).parents[1],
                env=os.environ | {"PYTHONPATH": tree or str(Path(__file__).parents[1])},
                capture_output=True,
                text=True,
                check=True,
            )
            rate, cpu, fingerprint = json.loads(done.stdout.splitlines()[-1])
            print(f"{name}: {rate:,.0f} rows/s, {cpu:.1f} CPU seconds, fingerprint {fingerprint[:12]}", flush=True)


# Runs in a separate process, with either version; the first pass warms up the workers.
PASS = """
import json, sys, tempfile, time
import psutil
try:
    from laud_ray.cluster.connect import connect
    from laud_ray.data.corpus import open_corpus
    from laud_ray.passes.run import run_pass
    from laud_ray.storage.folder import Folder
except ImportError:
    from laud_ray.cluster import connect
    from laud_ray.corpus import open_corpus
    from laud_ray.passes import run_pass
    from laud_ray.storage import Folder
path, model = sys.argv[1:]
def cheap(_):
    import numpy as np
    class Hashing:
        labels = ("a", "b", "c")
        def score(self, texts):
            numbers = np.asarray([[len(t) + 1, ord(t[0]), ord(t[-1])] for t in texts], np.float32)
            return numbers / numbers.sum(1, keepdims=True)
    return Hashing()
def cpu():
    me = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in [me, *me.children(recursive=True)])
connect()
corpus, how = open_corpus(Folder(path)), {"load": cheap} if model == "cheap" else {}
with tempfile.TemporaryDirectory() as place:
    for number in range(3):
        spent, began = cpu(), time.monotonic()
        run_pass(corpus, Folder(model), Folder(f"{place}/{number}"), name="m", **how)
        print(json.dumps([time.monotonic() - began, cpu() - spent]), flush=True)
"""


def beside(data: Path, documents: int, before: str) -> None:
    here = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "real").mkdir()
        (place / "made").mkdir()
        make_corpus(real_names(data, 5000), place / "real")
        make_corpus([f"choc bar {i * 7919 % 1_000_003} {i}g" for i in range(documents)], place / "made")
        task = Task("t", "multiclass", tuple(Label(name) for name in ("food", "tool", "bank", "cloth", "machine")))
        kinds.EncoderLearner().fit(task, [], out=str(place / "model"), seed=0)
        for model, corpus in (("cheap", place / "made/corpus"), (str(place / "model"), place / "real/corpus")):
            spent: dict[str, list[list[float]]] = {"before": [], "now": []}
            for _ in range(3):
                for name, tree in (("before", before), ("now", here)):
                    command = [sys.executable, "-c", PASS, str(corpus), model]
                    environment = os.environ | {"PYTHONPATH": tree}
                    done = subprocess.run(
                        command, cwd=tree, env=environment, capture_output=True, text=True, check=True
                    )
                    passes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
                    spent[name] += passes[1:]
                    said = ", ".join(f"{wall:.1f} s ({cpu:.1f} CPU)" for wall, cpu in passes)
                    print(f"{Path(model).name} {name}: {said}", flush=True)
            wall, cpu = (
                np.median([one[i] for one in spent["before"]]) / np.median([one[i] for one in spent["now"]])
                for i in (0, 1)
            )
            print(f"{Path(model).name}: rate of before that is kept: {wall:.2f}, by CPU seconds {cpu:.2f}", flush=True)


def ranges(n: int) -> None:
    from laud_ray.cluster.connect import connect
    from laud_ray.cluster.ranges import Workers, map_ranges

    def nothing(name: str, job: None) -> str:  # noqa: ARG001 - what is mapped takes both
        return name

    connect()
    for names in ([f"w{i}" for i in range(20)], [f"n{i}" for i in range(n)]):
        held, began, first = psutil.Process().memory_info().rss, time.monotonic(), 0.0
        for _ in map_ranges(names, nothing, None, Workers()):
            first = first or time.monotonic() - began
        grown = psutil.Process().memory_info().rss - held
        print(
            f"{len(names):,} names: {time.monotonic() - began:.1f} s, the first after {first:.1f} s; "
            f"the driver grew by {grown / 1e6:.0f} MB",
            flush=True,
        )


def memory() -> None:
    peaks = {}
    for n in (200_000, 2_000_000):
        process = subprocess.Popen([sys.executable, __file__, "one", str(n)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        print(n, process.stdout.readline().strip())
        peak: dict[str, int] = {"driver": 0, "all": 0}
        while process.poll() is None:
            peak = {key: max(peak[key], now) for key, now in usage(process.pid).items()}
            time.sleep(0.2)
        print(n, process.stdout.read().strip(), {k: f"{v / 1e6:.0f} MB" for k, v in peak.items()}, flush=True)
        peaks[n] = peak
    for key in ("driver", "all"):
        print(f"peak memory of {key}, 2,000,000 against 200,000: {peaks[2_000_000][key] / peaks[200_000][key]:.2f}")


def usage(pid: int) -> dict[str, int]:
    """Return the memory of the driver, and of the driver with all its descendants, in bytes (proportional set size)."""
    total = own = 0
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            try:
                pss = process.memory_full_info().pss
            except psutil.Error:
                continue
            total += pss
            own = own or pss
    except psutil.Error:
        pass
    return {"driver": own, "all": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("corpus", "beside", "ranges", "rate", "memory", "one"))
    parser.add_argument("argument", nargs="?")
    parser.add_argument("--documents", type=int)
    parser.add_argument("--before", help="an earlier checkout, to normalise the same names")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    if args.what == "rate":
        rate(Path(args.argument), args.documents or 20_000)
    elif args.what == "corpus":
        corpus(args.documents or 2_000_000, args.before)
    elif args.what == "beside":
        beside(Path(args.argument), args.documents or 2_000_000, args.before)
    elif args.what == "ranges":
        ranges(args.documents or 20_000)
    elif args.what == "one":
        one_pass(int(args.argument))
    else:
        memory()


if __name__ == "__main__":
    main()
