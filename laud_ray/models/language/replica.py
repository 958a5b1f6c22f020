"""A vLLM engine in a process of its own that generates for one driver. This class becomes a Ray actor.

The engine outlives the calls that use it; laud_ray.models.language.warm starts it and gives it back.
"""

import asyncio
import os
import queue
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from laud_ray.errors import EngineError, ModelError
from laud_ray.models.language.engine import EngineSettings
from laud_ray.models.language.process import AsyncEngine
from laud_ray.printable import printable

_ERROR = re.compile(r"(?:^|[\s)])((?:[\w.]*(?:Error|Exception)|Value error)\b\s*[:,]\s*\S.*)")
# vLLM's own line about a failed start only points to the lines before it.
_POINTER = re.compile(r"Engine core initialization failed|EngineDeadError|EngineCore encountered an issue")
_LONGEST = 300
_LAST_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt to generate from.

    Attributes:
        number: identifies the result.
        ids: token ids of the whole prompt.
        seed: for sampling.
        choice: restricts the text to a list, in place of `sampling`'s; empty if it does not.
    """

    number: int
    ids: Sequence[int]
    seed: int
    choice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """The result of a prompt.

    Attributes:
        number: of the prompt.
        tokens: each generated token's text and log-probability, and those of the likeliest alternatives.
        cut: whether the text was truncated at its length limit.
        refused: why the engine did not take the prompt; None if it did.
    """

    number: int
    text: str = ""
    tokens: tuple[tuple[str, float, tuple[tuple[str, float], ...]], ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cut: bool = False
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """Results since the last exchange; `ended` is the engine's end if it has died, and the prompts in it are lost."""

    found: tuple[Generated, ...]
    ended: str | None = None


class Replica:
    """One engine. Its methods are called from several threads: `stop` may be called while `exchange` waits."""

    def __init__(self) -> None:
        """Create the actor, which takes no time, so that its placement and its start can be told apart."""
        self._engine: AsyncEngine | None = None
        self._finished: queue.SimpleQueue[Generated | None] = queue.SimpleQueue()
        self._names, self._log = count(), _Log()

    def start(self, settings: EngineSettings, threads: str | None) -> None:
        """Start the engine; this takes from ten seconds to minutes.

        Args:
            settings: the model and its limits.
            threads: OMP_NUM_THREADS of the driver. None: all cores of this node, in place of Ray's single one.

        Raises:
            ModelError: if the model cannot be started; the message is the cause in one line.
        """
        if not settings.gpus:
            os.environ["OMP_NUM_THREADS"] = threads or str(len(os.sched_getaffinity(0)))
        try:
            self._engine = AsyncEngine(settings, {"runner": "generate"})
        except ModelError as error:
            said = str(error.__cause__ or error)
            raise ModelError(self._log.cause() or _line(said)) from None
        self._log = _Log()

    def pids(self) -> list[int]:
        """Return this process and those of the engine."""
        return [os.getpid(), *(self._engine.pids if self._engine else ())]

    def exchange(self, prompts: Sequence[Prompted], sampling: Mapping[str, Any]) -> Exchange:
        """Start generating from prompts, wait until at least one prompt is finished, and return all finished ones.

        Args:
            prompts: further prompts; those of earlier calls are still in the engine.
            sampling: arguments of vLLM's SamplingParams for these prompts; `choice` restricts the text to a list.
        """
        assert self._engine is not None, "start comes first"
        try:
            for prompt in prompts:
                self._engine.submit(self._one(prompt, sampling))
        except EngineError:
            self._finished.put(None)
        found = [self._finished.get()]
        while not self._finished.empty():
            found.append(self._finished.get())
        done = tuple(one for one in found if one is not None)
        if len(done) == len(found):
            return Exchange(done)
        ending = self._engine.ending
        return Exchange(done, f"{ending} ({cause})" if (cause := self._log.cause()) else ending)

    def stop(self) -> None:
        """Stop the engine; when this returns, its processes have ended and their memory is free."""
        if self._engine is not None:
            self._engine.close()

    async def _one(self, prompt: Prompted, sampling: Mapping[str, Any]) -> None:
        assert self._engine is not None
        self._engine.keep(asyncio.current_task())
        try:
            result = await self._engine.while_running(self._generate(prompt, sampling))
        except EngineError:
            self._finished.put(None)
        except Exception as error:  # noqa: BLE001 - the worker's edge: a refused prompt becomes data
            said = str(error.__cause__ or error) or type(error).__name__
            self._finished.put(Generated(prompt.number, refused=_line(said)) if self._engine.healthy else None)
        else:
            self._finished.put(result)

    async def _generate(self, prompt: Prompted, sampling: Mapping[str, Any]) -> Generated:
        from vllm.inputs import tokens_input

        assert self._engine is not None
        name, given = str(next(self._names)), parameters(sampling, prompt.seed, prompt.choice)
        async for output in self._engine.client.generate(tokens_input(list(prompt.ids)), given, name):
            last = output
        return generated(prompt, last.outputs[0])


def parameters(sampling: Mapping[str, Any], seed: int, choice: Sequence[str] = ()) -> Any:
    """Return vLLM's SamplingParams; arguments as for `Replica.exchange` and `Prompted`."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    given = {key: value for key, value in sampling.items() if key != "choice"}
    if listed := choice or sampling.get("choice"):
        given["structured_outputs"] = StructuredOutputsParams(choice=list(listed))
    return SamplingParams(**given, seed=seed, output_kind=RequestOutputKind.FINAL_ONLY)


def generated(prompt: Prompted, output: Any) -> Generated:
    """Return the result of a prompt from vLLM's output."""
    tokens = []
    for token, listed in zip(output.token_ids, output.logprobs or (), strict=False):
        if token in listed:
            others = tuple((one.decoded_token or "", float(one.logprob)) for one in listed.values())
            tokens.append((listed[token].decoded_token or "", float(listed[token].logprob), others))
    cut = output.finish_reason == "length"
    return Generated(prompt.number, output.text, tuple(tokens), len(prompt.ids), len(output.token_ids), cut)


class _Log:
    """What this process and the engine's write to their output, in the files into which Ray directs it."""

    def __init__(self) -> None:
        self._files = {path: os.path.getsize(path) for path in map(_file_of, (1, 2)) if path is not None}

    def cause(self) -> str | None:
        """Return the last line with an error that was written since this object was created."""
        found = []
        for path, start in self._files.items():
            with open(path, "rb") as file:
                file.seek(max(start, os.path.getsize(path) - _LAST_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
            found += [match[1] for line in lines if not _POINTER.search(line) and (match := _ERROR.search(line))]
        return _line(found[-1]) if found else None


def _file_of(descriptor: int) -> str | None:
    """Return the file to which a descriptor writes; None if it is none, or the system does not tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
    return path if os.path.isfile(path) else None


def _line(words: str) -> str:
    said = printable(" ".join(words.split()))
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
