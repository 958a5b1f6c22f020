"""Several nodes for real, on one machine: workers and nodes come and go while a pass or a training is under way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from ray._common.utils import reset_ray_address
from ray.cluster_utils import Cluster
from safetensors.torch import load_file

from laud_ray.config import CorpusConfig
from laud_ray.data.sharding.normalise import normalise
from laud_ray.storage.folder import Folder
from tests.nodes import RANGES, ROWS

ROOT = Path(__file__).parents[2]
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
KINDS = pytest.mark.parametrize("engines", [0, 2], ids=["tasks", "engines"])


@dataclass
class Nodes:
    """A head of one slot, those that a test adds, and a driver."""

    cluster: Cluster
    driver: subprocess.Popen[str]
    log: Path
    added: list[Any] = field(default_factory=list)

    def add(self) -> None:
        self.added.append(self.cluster.add_node(**NODE))

    def kill(self) -> str:
        """Kill the node that was added last, with all in it; return its id."""
        node = self.added.pop()
        self.cluster.remove_node(node, allow_graceful=False)
        return str(node.node_id)

    def start(self, place: Path, work: str, engines: int = 0) -> None:
        assert self.driver.stdin is not None
        (place / "said.json").unlink(missing_ok=True)
        self.driver.stdin.write(f"{work}\t{place}\t{engines}\n")
        self.driver.stdin.flush()

    def until(self, true: Callable[[], bool]) -> None:
        limit = time.monotonic() + 240
        while not true():
            if self.driver.poll() is not None or time.monotonic() > limit:
                pytest.fail(f"waited in vain; the driver said: {self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def end(self, place: Path) -> dict[str, Any]:
        """Wait for the driver's answer."""
        self.until((place / "said.json").exists)
        said: dict[str, Any] = json.loads((place / "said.json").read_text())
        return said


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """The head and the driver, for all tests here."""
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    reset_ray_address()  # or every Ray that starts on this machine would join this one
    log = tmp_path_factory.mktemp("driver") / "log"
    command = [sys.executable, "-m", "tests.nodes", cluster.address]
    with log.open("w") as output:
        driver = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output, text=True)
        yield Nodes(cluster, driver, log)
        driver.kill()
        driver.wait()
    cluster.shutdown()


@pytest.fixture
def nodes(alone: Nodes) -> Iterator[Nodes]:
    yield alone
    while alone.added:
        alone.kill()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "seen").mkdir()
    return tmp_path


def seen(place: Path) -> dict[str, int]:
    """The process of each node that was seen at work, the last one where there were several."""
    found = (path.name.rsplit("-", 1) for path in (place / "seen").iterdir())
    return {node: int(pid) for node, pid in found}


def scores(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((place / "out").glob("part-*"))}


@pytest.fixture(scope="module")
def unbroken(alone: Nodes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("unbroken")
    (place / "seen").mkdir()
    alone.start(place, "plain")
    assert alone.end(place)["rows"] == RANGES * ROWS
    found = scores(place)
    assert len(found) == RANGES
    return found


def check_whole(said: dict[str, Any], place: Path, unbroken: dict[str, bytes]) -> None:
    """Every range was counted once, and its rows are those of an unbroken pass."""
    assert said["rows"] == RANGES * ROWS
    assert said["progress"] == [ROWS * done for done in range(RANGES + 1)]
    assert scores(place) == unbroken


@KINDS
def test_a_node_that_joins_gets_work(nodes: Nodes, place: Path, unbroken: dict[str, bytes], engines: int) -> None:
    # Its workers wait for each other: the pass can end only if both nodes are at work at once.
    nodes.start(place, "meet", engines)
    nodes.until(lambda: len(seen(place)) == 1)
    nodes.add()
    check_whole(nodes.end(place), place, unbroken)
    assert len(seen(place)) == 2


def test_a_corpus_is_normalised_by_both_nodes(nodes: Nodes, place: Path) -> None:
    (place / "names").mkdir()
    for i in range(4):
        pq.write_table(pa.table({"text": [f"name {i} {row % 70}" for row in range(100)]}), place / f"names/{i}.parquet")
    nodes.add()
    nodes.start(place, "corpus")
    said = nodes.end(place)
    assert len(seen(place)) == 2
    here = normalise(CorpusConfig(path=str(place / "names"), text="text"), Folder(str(place / "here")))
    assert said == {"fingerprint": here.fingerprint, "counts": dict(here.counts)}


@KINDS
def test_a_node_that_dies_costs_nothing(nodes: Nodes, place: Path, unbroken: dict[str, bytes], engines: int) -> None:
    nodes.add()
    nodes.start(place, "wait", engines)
    nodes.until(lambda: len(seen(place)) == 2)
    assert nodes.kill() in seen(place)
    (place / "go").touch()
    check_whole(nodes.end(place), place, unbroken)


@KINDS
def test_a_worker_that_is_killed_costs_nothing(
    nodes: Nodes, place: Path, unbroken: dict[str, bytes], engines: int
) -> None:
    nodes.start(place, "wait", min(engines, 1))
    nodes.until(lambda: len(seen(place)) == 1)
    os.kill(next(iter(seen(place).values())), signal.SIGKILL)
    (place / "go").touch()
    check_whole(nodes.end(place), place, unbroken)


@KINDS
def test_a_range_that_kills_its_workers_is_named_and_the_others_are_scored(
    nodes: Nodes, place: Path, unbroken: dict[str, bytes], engines: int
) -> None:
    nodes.start(place, "kill", min(engines, 1))
    said = nodes.end(place)
    assert said["error"] == (
        f"1 of {RANGES} ranges were set aside: part-00003.parquet (its worker process died, 3 times); "
        "the others are committed, run the same command again to retry these"
    )
    assert scores(place) == {name: data for name, data in unbroken.items() if name != "part-00003.parquet"}
    nodes.start(place, "plain")
    again = nodes.end(place)
    assert (again["rows"], again["resumed"]) == (ROWS, RANGES - 1)
    assert scores(place) == unbroken


def test_a_training_whose_node_dies_is_as_if_it_had_not(nodes: Nodes, place: Path) -> None:
    nodes.add()
    nodes.start(place, "train-held")
    nodes.until(lambda: len(seen(place)) == 2)
    assert nodes.kill() in seen(place)
    nodes.add()
    (place / "go").touch()
    assert nodes.end(place)["trained"]
    nodes.start(place, "train")
    assert nodes.end(place)["trained"]
    for file in ("head.safetensors", "adapter/adapter_model.safetensors"):
        broken, whole = (load_file(place / name / file) for name in ("broken", "unbroken"))
        assert broken.keys() == whole.keys()
        for name, tensor in whole.items():
            torch.testing.assert_close(broken[name], tensor, rtol=1e-5, atol=1e-7)
