"""A driver on a cluster whose nodes come and go: `python -m tests.nodes ADDRESS`.

It reads lines of WORK, PLACE and ENGINES, with tabs between, and answers in PLACE/said.json. Workers say where they
are by files in PLACE/seen, named NODE-PID, and wait there for what the test does to them.
"""

from __future__ import annotations  # what is sent to workers must not need this module's names

import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from laud_ray.data.corpus import RANGE_SCHEMA, Corpus, Range
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Scorer

RANGES, ROWS = 12, 5


def make_corpus(place: Path) -> Corpus:
    """Ranges part-00000 and so on, of the texts "name RANGE ROW"."""
    folder = Folder(str(place / "corpus"))
    ranges = tuple(Range(f"part-{i:05d}.parquet", ROWS) for i in range(RANGES))
    for i, part in enumerate(ranges):
        texts = [f"name {i} {row}" for row in range(ROWS)]
        none = [None] * ROWS
        columns = {"id": [f"{i}-{row}" for row in range(ROWS)], "text": texts, "error": none, "duplicate_of": none}
        folder.write_table(part.name, pa.table(columns, RANGE_SCHEMA))
    return Corpus(folder, ranges, {}, "nodes")


def loader(place: str, work: str) -> Callable[[str], Scorer]:
    """A loader of a scorer that hashes, and before that does as `work` says.

    wait: until the file `go` is there. meet: until workers of two nodes were seen. kill: end its process at the
    range of `poison`, always. plain: nothing.
    """

    def load(_: str) -> Scorer:
        import os
        import signal
        import time
        from pathlib import Path

        import ray

        seen, go = Path(place) / "seen", Path(place) / "go"

        def ready() -> bool:
            return go.exists() or (work == "meet" and len({p.name.split("-")[0] for p in seen.iterdir()}) > 1)

        class Hashing:
            labels = ("Tea", "Coffee", "Juice")

            def score(self, texts: Sequence[str]) -> Floats:
                (seen / f"{ray.get_runtime_context().get_node_id()}-{os.getpid()}").touch()
                if work == "kill" and texts[0].startswith("name 3 "):
                    os.kill(os.getpid(), signal.SIGKILL)
                end = time.monotonic() + 60
                while work in ("wait", "meet") and not ready():
                    if time.monotonic() > end:
                        os._exit(1)
                    time.sleep(0.02)
                numbers = np.asarray([[sum(map(ord, t)) * p % 97 + 1 for p in (3, 7, 31)] for t in texts], np.float32)
                proba: Floats = numbers / numbers.sum(1, keepdims=True)
                return proba

        return Hashing()

    return load


def one_pass(place: Path, work: str, engines: int) -> dict[str, Any]:
    from laud_ray.cluster.workers import Workers
    from laud_ray.errors import PassError
    from laud_ray.passes.run import run_pass

    done: list[int] = []
    try:
        result = run_pass(
            make_corpus(place),
            Folder("m"),
            Folder(str(place / "out")),
            name="m",
            workers=Workers(engines=engines),
            load=loader(str(place), work),
            progress=lambda rows, total: done.append(rows),
        )
    except PassError as error:
        return {"error": str(error), "progress": done}
    return {"rows": result.rows, "resumed": result.resumed, "progress": done}


def corpus(place: Path) -> dict[str, Any]:
    """Normalise four files on the cluster's workers, the first of which wait until workers of two nodes were seen."""
    from laud_ray.config import CorpusConfig
    from laud_ray.data.sharding import normalise as normalising

    whole = normalising.shard_unit

    def met(name: str, job: Any) -> Any:
        import os
        import time
        from pathlib import Path

        import ray

        seen = Path(place) / "seen"
        (seen / f"{ray.get_runtime_context().get_node_id()}-{os.getpid()}").touch()
        while len({one.name.split("-")[0] for one in seen.iterdir()}) < 2:
            time.sleep(0.02)
        return whole(name, job)

    normalising.shard_unit, normalising.LARGE = met, 0  # type: ignore[assignment]
    try:
        made = normalising.normalise(
            CorpusConfig(path=str(place / "names"), text="text"), Folder(str(place / "corpus"))
        )
    finally:
        normalising.shard_unit = whole
    return {"fingerprint": made.fingerprint, "counts": dict(made.counts)}


def training(place: Path, wait: bool) -> dict[str, Any]:
    """Train the encoder in two workers; if told to wait, they do before their second epoch."""
    from laud_ray.models.encoder.learner import train
    from laud_ray.models.kinds import EncoderLearner
    from laud_ray.models.ray_train import Resources, fit
    from laud_ray.types import Example, Label, Task

    def held(config: dict[str, Any]) -> None:
        import os
        import time
        from pathlib import Path

        import ray

        from laud_ray.models.encoder import learner as encoder

        place = Path(config["place"])
        whole = encoder.Course._epoch

        def epoch(self: Any, rows: Any, start: float, *others: Any) -> None:
            if start > 0:
                (place / "seen" / f"{ray.get_runtime_context().get_node_id()}-{os.getpid()}").touch()
                while not (place / "go").exists():
                    time.sleep(0.02)
            whole(self, rows, start, *others)

        encoder.Course._epoch = epoch  # type: ignore[method-assign]
        train(config)

    task = Task("drinks", "multiclass", (Label("Tea"), Label("Coffee")))
    words = {"Tea": ("sencha", "earl grey", "oolong", "rooibos"), "Coffee": ("espresso", "arabica", "decaf", "latte")}
    examples = tuple(Example(text, label) for label, texts in words.items() for text in texts)
    learner = EncoderLearner(epochs=2, batch=4)
    config = {"learner": learner, "task": task, "examples": examples, "seed": 0, "place": str(place)}
    resources = Resources(workers=2, storage=str(place / "train"))
    fit(held if wait else train, config, resources, str(place / ("broken" if wait else "unbroken")))
    return {"trained": True}


def main() -> None:
    import ray

    logging.basicConfig(level=logging.WARNING)
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
    for line in sys.stdin:
        work, place, engines = line.split("\t")
        if work.startswith("train"):
            said = training(Path(place), work == "train-held")
        elif work == "corpus":
            said = corpus(Path(place))
        else:
            said = one_pass(Path(place), work, int(engines))
        Folder(place).write("said.json", json.dumps(said).encode())


if __name__ == "__main__":
    main()
