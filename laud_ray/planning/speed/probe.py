"""Run a model for a second or two on this machine's CPU, to plan with its real speed.

The figures hardly change if other work keeps the machine busy meanwhile: processor time of a thread counts, not time by
the clock, and the best of several repetitions. Scoring is measured on all cores at once, a thread on each, as a pass
uses them; so what cores share (memory, caches) is in the figure.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from laud_ray.config import CausalConfig, EncoderConfig
from laud_ray.models.encoder.encoding import Encoder
from laud_ray.models.encoder.learner import LORA_TARGETS, UNUSED_MODULES
from laud_ray.models.encoder.training import CosineClassifier
from laud_ray.models.language.engine import number_format
from laud_ray.models.language.tuning.answer_model import AnswerModel, adapted, load_base
from laud_ray.models.packing import Pack, pack
from laud_ray.types import Task

# Larger models are planned by the number of their operations.
LARGEST = 400e6
# Seconds for which a step is repeated, after a first time that does not count. It is done LEAST times in any case.
SECONDS, LEAST = 0.4, 1
# Threads that score at once, at most; and tokens of a language model's probe.
MOST_THREADS, TOKENS, BODIES = 8, 128, 4
# The part of a training step that does not get faster with more threads: of an encoder, whose steps are small, and of a
# language model.
SERIAL_ENCODER, SERIAL_CAUSAL = 0.3, 0.1
# The codes of the prompt; which ones they are makes no difference.
CODES = range(BODIES)
CPU = torch.device("cpu")


@lru_cache(maxsize=8)
def encoder_scoring(model: str, max_tokens: int, texts: tuple[str, ...], cores: int) -> float:
    """Return the seconds in which one core scores a document with an encoder."""
    with _one_thread():
        encoder = Encoder(model, max_tokens).freeze()
        return _on_all_cores(lambda: encoder.embed(texts), cores) / len(texts)


@lru_cache(maxsize=8)
def encoder_training(section: EncoderConfig, task: Task, texts: tuple[str, ...], threads: int) -> float:
    """Return the seconds in which `threads` threads of one process train an encoder on an example."""
    from peft import LoraConfig, get_peft_model

    classifier = CosineClassifier(Encoder(section.model, section.max_tokens).eval(), task, "{label}")
    lora = LoraConfig(r=section.rank, target_modules=LORA_TARGETS, exclude_modules=UNUSED_MODULES)
    classifier.encoder.model = get_peft_model(classifier.encoder.model, lora)
    # Batches of training hold texts of similar length; the middle one stands for all, in proportion to their widths.
    ids = sorted(classifier.encoder.tokenize(texts), key=len)
    batches = [ids[i : i + section.batch] for i in range(0, len(ids), section.batch)]
    middle = batches[(len(batches) - 1) // 2]
    width = np.mean([len(batch[-1]) for batch in batches]) / len(middle[-1])
    batch = classifier.encoder.pad(middle)
    targets = torch.zeros(len(middle), dtype=torch.long)
    step = _training_step(classifier, lambda: cross_entropy(classifier(*batch), targets))
    return float(width * _on_threads(step, threads, SERIAL_ENCODER) / len(middle))


@lru_cache(maxsize=8)
def language_scoring(model: str, dtype: str, cores: int) -> float:
    """Return the seconds in which one core computes a token of a language model's prompt."""
    with _one_thread():
        answers = AnswerModel(load_base(model, number_format(model, dtype, on_cpu=True), CPU).eval(), CODES)
        row = _row()
        seconds = _on_all_cores(lambda: _forward(answers, row), cores) / row.ids.shape[1]
    gc.collect()
    return seconds


@lru_cache(maxsize=8)
def language_training(section: CausalConfig, threads: int) -> float:
    """Return the seconds in which `threads` threads of one process train a language model on a token."""
    answers = AnswerModel(adapted(section, CPU), CODES)
    row, targets = _row(), torch.zeros(BODIES, dtype=torch.long)
    step = _training_step(answers, lambda: cross_entropy(_forward(answers, row), targets))
    seconds = _on_threads(step, threads, SERIAL_CAUSAL) / row.ids.shape[1]
    gc.collect()
    return seconds


def _row() -> Pack:
    """Return a packed row of TOKENS tokens, half of which are a shared prefix."""
    half = TOKENS // 2
    return pack(list(range(1, half + 1)), [list(range(1, half // BODIES + 1))] * BODIES)


def _forward(answers: AnswerModel, row: Pack) -> torch.Tensor:
    logits: torch.Tensor = answers(row.ids, row.positions, row.mask, row.ends, row.bodies)
    return logits


def _training_step(model: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _on_all_cores(step: Callable[[], object], cores: int) -> float:
    """Return the processor seconds of a step that every core does at the same time: the mean of each thread's best."""

    def work() -> float:
        torch.set_num_threads(1)
        with torch.inference_mode():
            return _best(step)

    at_once = min(cores, MOST_THREADS)
    with ThreadPoolExecutor(at_once) as threads:
        return float(np.mean([one.result() for one in [threads.submit(work) for _ in range(at_once)]]))


def _on_threads(step: Callable[[], object], threads: int, serial: float) -> float:
    """Return the seconds of a step on several threads, by the processor time of one thread and by Amdahl's law.

    By the clock it would include other work on the machine, and threads that wait for each other make that many times
    as much of it: a step of 0.25 s on two free cores took 3 s by the clock where other work had two of four shares.
    """
    with _one_thread():
        return _best(step) * (serial + (1 - serial) / threads)


def _best(step: Callable[[], object]) -> float:
    """Return the least processor time of this thread for a step; the first time does not count."""
    step()
    times: list[float] = []
    until = time.monotonic() + SECONDS
    while len(times) < LEAST or time.monotonic() < until:
        began = time.thread_time()
        step()
        times.append(time.thread_time() - began)
    return min(times)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def as_sample(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the texts that a probe uses: few enough for a second."""
    return tuple(texts[:128])
