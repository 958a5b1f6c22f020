"""Language models behind the service for real: one engine, adapters that come and go, many callers at once."""

import asyncio
import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from laud_ray import config
from laud_ray.config import CausalConfig, InContextConfig, VllmZeroShotConfig
from laud_ray.errors import EngineError, ModelError
from laud_ray.models import kinds
from laud_ray.models.language.stream import LabelStream
from laud_ray.models.ray_train import Resources
from laud_ray.steps.training.model import train
from laud_ray.store.run import claim
from laud_ray.types import Figures, Floats, Label, RoundResult, Scorer, Task
from serve.arguments import Arguments, Limits
from serve.registry import Entry, OneModel, RunModels
from serve.schemas import FaultError
from serve.stream import StreamEngine
from tests.served import FIGURE
from tests.tiny import LABELS, TINY, products

# The engine is imported into this process, and has warnings of its own.
pytestmark = pytest.mark.filterwarnings("default")
TASK = Task("shelf", "multiclass", tuple(map(Label, LABELS)))
KNOWN = products(100)
TEXTS = [example.text for example in KNOWN]
MOST = 1024
MANY = [f"{i} {text}" for i, text in enumerate(TEXTS * 11)][:MOST]
# In bfloat16, scores with the adapter beside the weights differ from those with merged weights by its rounding.
COMMON = {
    "model": str(TINY),
    "answers": "codes",  # the tiny model was trained on them
    "max_context": 512,
    "max_text_tokens": 48,
    "reader": "logprobs",
    "dtype": "float32",
}


def causal(out: Path, examples: int, **changed: Any) -> Path:
    """Train a causal model in a second or two."""
    quick = {"epochs": 2, "learning_rate": 3e-3, "batch": 16, "batch_tokens": 512, "rank": 8}
    settings = CausalConfig.model_validate({"kind": "causal", **COMMON, **quick, **changed})
    kinds.CausalLearner(settings, Resources()).fit(TASK, KNOWN[:examples], out=str(out), seed=0)
    return out


def in_context(out: Path, **changed: Any) -> Path:
    settings = InContextConfig.model_validate({"kind": "in_context", **COMMON, "examples": 2, **changed})
    kinds.InContextLearner(settings, examples=2, max_example_tokens=128).fit(TASK, KNOWN[:50], out=str(out), seed=0)
    return out


def entry(path: Path) -> Entry:
    return OneModel(str(path)).entry(path.name)


def first_of_a_run(storage: Path) -> Entry:
    """What serves a run of a causal learner before its first round: its zero-shot model."""
    settings = config.parse(
        f"task: {{name: shelf, labels: {list(LABELS)}}}\n"
        "corpus: {path: food.csv, text: text}\n"
        f"storage: {storage}\n"
        f"zero_shot: {{engine: vllm, model: {TINY}, max_context: 512, max_text_tokens: 48, dtype: float32}}\n"
        f"learner: {{kind: causal, model: {TINY}, max_context: 512, max_text_tokens: 48, rank: 8, dtype: float32}}\n"
        "oracle: {kind: replay, label: label}\n"
    )
    with claim(settings) as folder:
        name = folder.model_name(0)
        zero = settings.zero_shot
        assert isinstance(zero, VllmZeroShotConfig)
        train(kinds.InContextLearner(zero), settings.task.to_task(), [], folder.models, name, 0)
        figures = Figures(40, FIGURE, FIGURE, 0.1, ())
        folder.store.close_round(RoundResult(0, name, 0, 500, 900, figures, None, True, {}), "zero_shot", None)
    registry = RunModels(str(storage))
    try:
        current = registry.current()
        assert current == name
        return registry.entry(current)
    finally:
        registry.close()


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of one run, the second of more examples."""
    place = tmp_path_factory.mktemp("rounds")
    return [causal(place / f"round-{i}", 40 * i) for i in (1, 2)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamEngine]:
    """An engine that was started for a run's zero-shot model."""
    arguments = Arguments(run="run", limits=Limits(queue_texts=MOST, max_texts=MOST))
    made = StreamEngine(arguments, lambda texts, tokens, seconds: None)
    made.start()
    assert made.healthy
    made.open(first_of_a_run(tmp_path_factory.mktemp("run") / "run"))
    yield made
    asyncio.run(made.close())
    assert not made.healthy


@pytest.fixture(scope="module")
def scorers(engine: StreamEngine, rounds: Sequence[Path]) -> list[Scorer]:
    return [engine.open(entry(path)) for path in rounds]


def passed(path: str, texts: Sequence[str]) -> Floats:
    """Return the scores of a pass."""
    return kinds.load(path).score(texts)


@pytest.fixture(scope="module")
def apart() -> Iterator[ProcessPoolExecutor]:
    """A process for engines that are not the service's: each keeps its gigabyte until its process ends."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def scored(engine: StreamEngine, scorer: Scorer, texts: Sequence[str]) -> Floats:
    return asyncio.run(engine.score(scorer, texts, deadline_s=None))[0]


def stream(scorer: Scorer) -> LabelStream:
    found: LabelStream = scorer.engine.stream  # type: ignore[attr-defined]
    return found


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not met():
            await asyncio.sleep(0.01)


def test_scores_are_those_of_a_pass_with_the_adapter_merged(
    engine: StreamEngine, scorers: Sequence[Scorer], rounds: Sequence[Path], apart: ProcessPoolExecutor
) -> None:
    found = [scored(engine, scorer, TEXTS) for scorer in scorers]
    assert np.abs(found[0] - found[1]).max() > 0.05
    for path, proba in zip(rounds, found, strict=True):
        np.testing.assert_allclose(proba, apart.submit(passed, str(path), TEXTS).result(), atol=1e-3)


@pytest.mark.parametrize(("answers", "labels"), [("codes", 6), ("keywords", 64), ("words", 6)])
def test_in_context_scores_are_those_of_a_pass(
    engine: StreamEngine, apart: ProcessPoolExecutor, tmp_path: Path, answers: str, labels: int
) -> None:
    # With nearest examples, and but for keywords with options of a document's own.
    path = in_context(tmp_path / "model", max_labels=labels, answers=answers)
    proba = scored(engine, engine.open(entry(path)), TEXTS[:20])
    np.testing.assert_allclose(proba, apart.submit(passed, str(path), TEXTS[:20]).result(), atol=1e-3)


def test_many_callers_of_two_models_each_get_their_own(engine: StreamEngine, scorers: Sequence[Scorer]) -> None:
    alone = [scored(engine, scorer, TEXTS) for scorer in scorers]

    async def ask() -> list[Floats]:
        calls = [engine.score(scorers[i % 2], [text], deadline_s=60) for i, text in enumerate(TEXTS)]
        return await asyncio.gather(*calls)

    for i, (proba, _) in enumerate(asyncio.run(ask())):
        np.testing.assert_allclose(proba, alone[i % 2][i : i + 1], atol=1e-3)
    assert engine.waiting == 0


def test_a_released_adapter_leaves_after_its_last_text(engine: StreamEngine, rounds: Sequence[Path]) -> None:
    scorer = engine.open(entry(rounds[0]))
    inside = stream(scorer)
    number = max(inside.adapters)
    expected = scored(engine, scorer, TEXTS)

    async def swap() -> Floats:
        asking = asyncio.create_task(engine.score(scorer, TEXTS, deadline_s=60))
        await until(lambda: inside.unfinished > 0)
        engine.release(scorer)
        return (await asking)[0]

    np.testing.assert_allclose(asyncio.run(swap()), expected, atol=1e-3)
    asyncio.run(until(lambda: number not in inside.adapters))
    assert engine.healthy


@pytest.mark.parametrize("end", ["deadline", "gone"])
def test_what_nobody_waits_for_leaves_the_engine(engine: StreamEngine, scorers: Sequence[Scorer], end: str) -> None:
    inside = stream(scorers[0])

    async def ask() -> None:
        asking = asyncio.create_task(engine.score(scorers[0], MANY, deadline_s=0.3 if end == "deadline" else None))
        await until(lambda: inside.unfinished > 0 or asking.done())
        if end == "gone":
            asking.cancel()
        with pytest.raises(FaultError if end == "deadline" else asyncio.CancelledError) as caught:
            await asking
        if end == "deadline":
            assert caught.value.status == 504
        assert engine.waiting == 0
        await engine.score(scorers[0], TEXTS[:1], deadline_s=None)
        assert inside.unfinished == 0

    asyncio.run(ask())


def test_too_many_texts_are_refused_and_a_model_that_is_tried_out_is_not(
    engine: StreamEngine, scorers: Sequence[Scorer]
) -> None:
    async def ask() -> None:
        asking = asyncio.create_task(engine.score(scorers[0], MANY, deadline_s=60))
        await until(lambda: engine.waiting == MOST)
        with pytest.raises(FaultError, match=f"{MOST} texts are waiting; expected at most {MOST}") as caught:
            await engine.score(scorers[0], TEXTS[:1], deadline_s=60)
        assert caught.value.status == 429
        assert caught.value.retry_after is not None
        assert (await engine.score(scorers[1], TEXTS[:1], deadline_s=None))[0].shape == (1, len(LABELS))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(ask())


def test_models_that_the_engine_cannot_serve_are_refused_and_it_goes_on(
    engine: StreamEngine, scorers: Sequence[Scorer], tmp_path: Path
) -> None:
    shutil.copytree(TINY, tmp_path / "other")
    other = in_context(tmp_path / "in_context", model=str(tmp_path / "other"))
    with pytest.raises(ModelError, match=r"needs the base model .*other, but the engine was started with .*redeploy"):
        engine.open(entry(other))
    wide = causal(tmp_path / "wide", 12, rank=16, epochs=1)
    with pytest.raises(ModelError, match="needs an adapter of rank 16, but the engine was started with 8"):
        engine.open(entry(wide))
    with pytest.raises(ModelError, match="vLLM cannot load the adapter"):
        stream(scorers[0]).reader([1, 2], str(wide / "adapter"))
    assert engine.healthy
    assert scored(engine, scorers[1], TEXTS[:3]).shape == (3, len(LABELS))


def test_an_engine_that_dies_fails_its_callers_and_is_not_healthy(rounds: Sequence[Path]) -> None:
    engine = StreamEngine(Arguments(run="run"), lambda texts, tokens, seconds: None)
    before = set(psutil.Process().children(recursive=True))
    scorer = engine.open(entry(rounds[0]))
    mine = [one for one in psutil.Process().children(recursive=True) if one not in before]
    core = next(one for one in mine if "EngineCore" in " ".join(one.cmdline()))

    async def ask() -> None:
        asking = asyncio.create_task(engine.score(scorer, MANY, deadline_s=None))
        await until(lambda: stream(scorer).unfinished > 0)
        core.kill()
        with pytest.raises(FaultError, match="the engine has stopped") as caught:
            await asking
        assert caught.value.status == 503
        await until(lambda: not engine.healthy)
        with pytest.raises(FaultError, match="the engine has stopped"):
            await engine.score(scorer, TEXTS[:1], deadline_s=5)
        engine.release(scorer)
        with pytest.raises(EngineError):
            engine.open(entry(rounds[1]))
        await engine.close()

    asyncio.run(ask())


def test_nothing_of_an_engine_outlives_a_process_that_is_killed() -> None:
    code = (
        "import os, signal, subprocess\n"
        "from laud_ray.models.language.process import kill_at_exit\n"
        "other = subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL)\n"
        "watcher = kill_at_exit([other.pid])\n"
        "print(other.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    asyncio.run(until(lambda: not _runs(int(done.stdout))))


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
