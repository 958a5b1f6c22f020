"""The engines that score: batches of token ids in a thread, or vLLM with its own batching."""

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

# Each text of a batch waits for the whole batch. On a CPU this is the size of one run of the encoder's graph.
BATCH_TOKENS, GPU_BATCH_TOKENS = 512, 16_384


class Engine(Protocol):
    """Loads models, and scores texts with any loaded model."""

    @property
    def waiting(self) -> int:
        """The number of texts that are accepted but not scored yet."""
        ...

    @property
    def failure(self) -> str | None:
        """The reason why the engine can no longer score and its process must be replaced; None while it works."""
        ...

    def start(self) -> None: ...

    async def close(self) -> None: ...

    def open(self, entry: Entry) -> Scorer:
        """Load a model. Blocks.

        Raises:
            ModelError: if the model is damaged.
        """
        ...

    def release(self, scorer: Scorer) -> None:
        """Release a model that no new request will use."""
        ...

    def overload(self, texts: int) -> FaultError | None:
        """Return the 429 error if this many further texts are too many; else None."""
        ...

    async def score(self, scorer: Scorer, texts: Sequence[str], *, deadline_s: float | None) -> Scores:
        """Return (n, k) probabilities of n texts, and the reasons for those that cannot be scored, by their index.

        Raises:
            FaultError: 429 if too many texts wait, 503 if nothing can be scored any more, 504 after the deadline.
        """
        ...


def sort_of(kind: str) -> str:
    """Return the name of the engine that a kind of model needs: vllm or torch."""
    return "vllm" if kind in kinds.ENGINES else "torch"


def build(arguments: Arguments, kind: str, observe: Callable[[int, int, float], None]) -> Engine:
    """Create the engine for a kind of model.

    Raises:
        ConfigError: if the arguments require the other engine.
    """
    needed = sort_of(kind)
    if arguments.engine not in ("auto", needed):
        raise ConfigError(
            f"engine: {arguments.engine!r} is not valid for a model of kind {kind!r}; expected {needed!r} or 'auto'"
        )
    if needed == "vllm":
        from serve.stream import StreamEngine

        return StreamEngine(arguments, observe)
    return TorchEngine(arguments, observe)


class TorchEngine:
    """Scores encoders and linear heads, in one thread, which uses all cores or the GPU."""

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
