"""What scores: batches of token ids in a thread, or vLLM's own batches."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from laud_ray.errors import ConfigError
from laud_ray.models import kinds
from laud_ray.models.encoder.encoding import device
from laud_ray.types import Scorer, TokenScorer
from serve.arguments import Arguments
from serve.batching import Batcher
from serve.registry import Entry
from serve.schemas import FaultError
from serve.scoring import Scores

# Every text of a batch waits for the whole. On a CPU: what an encoder's graph takes in one run.
BATCH_TOKENS, GPU_BATCH_TOKENS = 512, 16_384


class Engine(Protocol):
    """Opens models, and scores texts with any of those it has open."""

    @property
    def waiting(self) -> int:
        """Texts that are accepted and not yet scored."""
        ...

    @property
    def failure(self) -> str | None:
        """Why it can score no more, and needs a new process around it; None while it can go on."""
        ...

    def start(self) -> None: ...

    async def close(self) -> None: ...

    def open(self, entry: Entry) -> Scorer:
        """Load a model; blocks.

        Raises:
            ModelError: if it is broken.
        """
        ...

    def release(self, scorer: Scorer) -> None:
        """A model that no new request will ask for."""
        ...

    def overload(self, texts: int) -> FaultError | None:
        """The refusal of so many texts; None if they may wait."""
        ...

    async def score(self, scorer: Scorer, texts: Sequence[str], *, deadline_s: float | None) -> Scores:
        """Map n texts to (n, k) probabilities, and to the reasons for those that cannot be scored, by their places.

        Raises:
            FaultError: 429 when too many texts wait, 503 when nothing can be scored any more, 504 when the deadline
                passed.
        """
        ...


def sort_of(kind: str) -> str:
    """The engine that a kind of model needs."""
    return "vllm" if kind in kinds.ENGINES else "torch"


def build(arguments: Arguments, kind: str, observe: Callable[[int, int, float], None]) -> Engine:
    """Make the engine for a kind of model.

    Raises:
        ConfigError: if the arguments ask for another.
    """
    needed = sort_of(kind)
    if arguments.engine not in ("auto", needed):
        raise ConfigError(f"engine: {arguments.engine!r}, but a model of kind {kind!r} needs {needed!r}")
    if needed == "vllm":
        from serve.stream import StreamEngine

        return StreamEngine(arguments, observe)
    return TorchEngine(arguments, observe)


class TorchEngine:
    """Encoders and linear heads: one thread scores, so that the cores or the GPU are never shared out."""

    def __init__(self, arguments: Arguments, observe: Callable[[int, int, float], None]) -> None:
        torch.set_num_threads(max(1, int(arguments.cpus)))
        budget = GPU_BATCH_TOKENS if device().type == "cuda" else BATCH_TOKENS
        self._batcher = Batcher(
            batch_tokens=arguments.batch_tokens or budget,
            queue_texts=arguments.limits.queue_texts,
            alone=not arguments.batching,
            observe=observe,
        )

    @property
    def waiting(self) -> int:
        return self._batcher.waiting

    @property
    def failure(self) -> str | None:
        return self._batcher.failure

    def start(self) -> None:
        self._batcher.start()

    async def close(self) -> None:
        await self._batcher.close()

    def overload(self, texts: int) -> FaultError | None:
        return self._batcher.overload(texts)

    def open(self, entry: Entry) -> Scorer:
        return kinds.load(entry.folder)

    def release(self, scorer: Scorer) -> None: ...

    async def score(self, scorer: Scorer, texts: Sequence[str], *, deadline_s: float | None) -> Scores:
        assert isinstance(scorer, TokenScorer)
        return await self._batcher.score(scorer, texts, deadline_s=deadline_s)
