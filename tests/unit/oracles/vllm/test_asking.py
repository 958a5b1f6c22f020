"""Engines that die, that do not start, and that make room: pretended ones in this process, without Ray and vLLM."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import ActorDiedError

from laud_ray import oracles
from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError, ModelError
from laud_ray.models.language import warm
from laud_ray.models.language.replica import Exchange, Generated, Prompted
from laud_ray.models.language.warm import POOL
from laud_ray.oracles.llm import LlmOracle
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Document, Label, Task
from tests.tiny import LABELS, TINY

TASK = Task("shelf", "multiclass", tuple(map(Label, LABELS)))
POISON = "poison"


class Pretended:
    """An engine that answers A, and dies in the ways that it was made for.

    What the engine's actor would do later is a function without arguments, in the place of a reference to its result.

    Attributes:
        ways: `start` is why it does not start; with `dies`, its process dies when it is asked.
        poison: it dies of prompts with this number of tokens.
    """

    def __init__(self, ways: dict[str, Any], poison: int) -> None:
        self.ways, self.poison = ways, poison
        self.is_started = self.is_dead = False
        self.starting = self._start

    def _start(self) -> None:
        if "start" in self.ways:
            raise ModelError(self.ways["start"])

    def exchange(self, prompts: Sequence[Prompted], sampling: dict[str, Any]) -> Callable[[], Exchange]:
        def exchanged() -> Exchange:
            if "dies" in self.ways:
                raise ActorDiedError
            if any(len(one.ids) == self.poison for one in prompts):
                return Exchange((), "it choked")
            return Exchange(tuple(Generated(one.number, "A", (("A", -0.1, ()),), 1, 1) for one in prompts))

        return exchanged

    def stop(self) -> None:
        self.kill()

    def kill(self) -> None:
        self.is_dead = True


Make = Callable[..., LlmOracle]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store(f"sqlite:///{tmp_path}/laud.db"))


@pytest.fixture
def make(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make an oracle whose engines die in the given ways, the first engine in the first one; None: it is healthy."""
    POOL.release()
    monkeypatch.setattr(ray, "wait", lambda refs, num_returns: (refs[:1], refs[1:]))
    monkeypatch.setattr(ray, "get", lambda ref: ref())
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2})
    monkeypatch.setattr("laud_ray.oracles.vllm.engine.connect", lambda: None)
    monkeypatch.setattr("laud_ray.oracles.vllm.engine.require_vllm", lambda: None)
    monkeypatch.setattr(warm, "_session", lambda: "session")
    monkeypatch.setattr(warm, "LEAST_MEMORY", 0)

    def oracle(*ways: dict[str, Any] | None, **more: Any) -> LlmOracle:
        config = LlmConfig(kind="llm", engine="vllm", model=str(TINY), **more)
        made = oracles.build_llm(config, TASK, 0, ledger)
        (request,) = made._requests([Document("p", POISON * 7)])
        poison = len(made._engine.token_ids(request))  # type: ignore[attr-defined]
        left = list(ways)

        def start(settings: object) -> Pretended:
            POOL.starts += 1
            return Pretended((left.pop(0) if len(left) > 1 else left[0]) or {}, poison)

        monkeypatch.setattr(POOL, "start", start)
        return made

    yield oracle
    POOL.release()


DOCUMENTS = [Document(f"d{i}", f"tea {'x' * (i % 5)}{i}") for i in range(40)]


def test_a_document_of_which_engines_die_is_set_aside(make: Make, ledger: Ledger) -> None:
    poisoned = [*DOCUMENTS[:20], Document("poison", POISON * 7), *DOCUMENTS[20:]]
    before, oracle = POOL.starts, make(None)
    found = {a.document_id: a.label for a in oracle.annotate(poisoned)}
    assert found == {**dict.fromkeys((d.id for d in DOCUMENTS), LABELS[0]), "poison": None}
    assert POOL.starts - before == 4, "once with others, twice alone"
    totals = ledger.totals(oracle.name)
    assert totals.answered == 40
    assert ledger.without_label(["poison"]) == {"poison": "refused"}


def test_a_poison_that_is_alone_is_set_aside_too(make: Make) -> None:
    oracle = make(None)
    assert [a.label for a in oracle.annotate([Document("poison", POISON * 7)])] == [None]


def test_engines_that_die_of_everything_end_in_one_line(make: Make, ledger: Ledger) -> None:
    before, oracle = POOL.starts, make({"dies": True})
    with pytest.raises(ModelError) as caught:
        oracle.annotate(DOCUMENTS)
    assert str(caught.value) == (
        f"oracle.model: the engine of {str(TINY)!r} ended 3 times in a row without an answer, the last time because "
        "its worker process died; the answers so far are kept, and the same command asks for the others"
    )
    assert POOL.starts - before == 3
    totals = ledger.totals(oracle.name)
    assert (totals.answered, totals.failed, totals.tokens) == (0, 40, 0)
    # Another command, on a machine where it works.
    again = make(None)
    assert len(again.annotate(DOCUMENTS)) == 40


def test_an_engine_that_dies_once_costs_no_answer(make: Make, ledger: Ledger) -> None:
    before, oracle = POOL.starts, make({"dies": True}, None)
    assert len(oracle.annotate(DOCUMENTS)) == 40
    assert POOL.starts - before == 2
    assert ledger.totals(oracle.name).answered == 40


def test_one_of_two_engines_is_enough(make: Make) -> None:
    oracle = make(None, {"dies": True}, replicas=2)
    assert len(oracle.annotate(DOCUMENTS)) == 40


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB",
            "does not fit into this machine's memory with max_context 4096 and dtype auto (torch.OutOfMemoryError: "
            "CUDA out of memory. Tried to allocate 20.00 GiB); expected a larger VLLM_CPU_KVCACHE_SPACE (GiB), a "
            "smaller max_context, dtype: bfloat16, or a smaller model",
        ),
        ("ValueError: no such thing", "vLLM cannot start"),
    ],
)
def test_an_engine_that_does_not_start_is_one_line(make: Make, ledger: Ledger, cause: str, line: str) -> None:
    before, oracle = POOL.starts, make({"start": cause})
    with pytest.raises(ModelError) as caught:
        oracle.annotate(DOCUMENTS)
    assert str(caught.value).startswith("oracle.model: ")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert POOL.starts - before == 1
    assert ledger.totals(oracle.name).answered == 0


def test_a_cap_that_is_reached_starts_no_engine(make: Make) -> None:
    assert len(make(None, max_calls=3).annotate(DOCUMENTS)) == 3
    POOL.release()
    before, oracle = POOL.starts, make(None, max_calls=3)
    assert oracle.annotate(DOCUMENTS[10:]) == []
    assert "oracle.max_calls: 3 of 3" in str(oracle.waiting)
    assert POOL.starts == before


def test_what_is_missing_is_said_before_an_engine_starts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = POOL.starts
    with pytest.raises(ConfigError, match=r"oracle.gpus_per_replica: 64 for '.*', and this machine has .*GPU"):
        make(None, gpus_per_replica=64).annotate(DOCUMENTS)
    with pytest.raises(ConfigError, match=r"oracle.max_context: 64 is not enough: the instructions, the labels and an"):
        make(None, max_context=64)
    assert POOL.starts == before


def test_engines_without_a_gpu_leave_when_memory_is_short(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    before, oracle = POOL.starts, make(None)
    oracle.annotate(DOCUMENTS[:1])
    warm.make_room(warm.Workers(), 10)
    oracle.annotate(DOCUMENTS[1:2])
    assert POOL.starts - before == 1, "there is memory enough"
    monkeypatch.setattr(warm, "LEAST_MEMORY", 1 << 60)
    warm.make_room(warm.Workers(), 10)
    assert POOL.is_empty
    oracle.annotate(DOCUMENTS[2:3])
    assert POOL.starts - before == 2


def test_two_models_stay_and_the_third_takes_the_place_of_the_first(make: Make) -> None:
    before, one = POOL.starts, make(None)
    two, three = (make(None, max_context=size) for size in (1024, 1500))
    for oracle, starts in ((one, 1), (two, 2), (one, 2), (three, 3), (one, 3), (two, 4)):
        oracle.annotate([Document("d", f"tea {POOL.starts} {starts} {id(oracle)}")])
        assert POOL.starts - before == starts
