"""Compare codes, keywords and words on a worker, which starts an engine for it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from laud_ray.cluster.workers import Workers
from laud_ray.config import PromptedSection
from laud_ray.errors import ModelError
from laud_ray.models.encoder.encoding import device
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language import chat, label_prompt
from laud_ray.models.language.answers.choice import Choice, choose
from laud_ray.models.language.engine import LabelEngine
from laud_ray.models.language.label_prompt import Answers, LabelPrompt
from laud_ray.models.language.scorer import PromptedScorer, engine_settings
from laud_ray.models.language.warm import make_room
from laud_ray.types import Example, Task


@dataclass(frozen=True, slots=True)
class Undecided:
    """A model whose answers are not chosen yet.

    Attributes:
        prompts: the prompt of each of the possible answers; there are codes.
        calibrate: whether the scores of each are divided by its label bias.
        probe: a random sample of the corpus.
        annotated: examples that no prompt shows to itself.
        examples: the examples of which each document gets the `nearest`.
        nearest, max_example_tokens: as for `PromptedScorer`.
    """

    prompts: Mapping[Answers, LabelPrompt]
    calibrate: Mapping[Answers, bool]
    probe: tuple[str, ...]
    annotated: tuple[Example, ...]
    examples: tuple[Example, ...]
    nearest: int
    max_example_tokens: int


def candidates(tokenizer: Any, task: Task, settings: PromptedSection, **more: Any) -> dict[Answers, LabelPrompt]:
    """Build the prompts of the answers that the settings allow; with `auto`, of those that are possible.

    Args:
        tokenizer: the model's tokenizer.
        task: the task.
        settings: the model and the limits of the prompt.
        more: further arguments of label_prompt.build.

    Raises:
        ModelError: if none is possible.
    """
    wanted: tuple[Answers, ...] = get_args(Answers) if settings.answers == "auto" else (settings.answers,)
    found: dict[Answers, LabelPrompt] = {}
    errors = []
    for answers in wanted:
        try:
            found[answers] = label_prompt.build(tokenizer, task, settings, answers=answers, **more)
        except ModelError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return found


def compare(model: Undecided, workers: Workers) -> Choice:
    """Choose between codes, keywords and words on one of the workers of a pass.

    Raises:
        PassError: if the engine does not start, or its worker dies again and again.
    """
    from laud_ray.cluster.ranges import map_all_ranges  # imports Ray Data

    make_room(workers, 1)
    (done,) = map_all_ranges(
        ["codes, keywords or words"], _compare, model, workers, what="comparisons", committed=False
    )
    return done.value


def _compare(_name: str, model: Undecided) -> Choice:
    first = next(iter(model.prompts.values()))
    base = first.settings.model
    engine = LabelEngine(replace(engine_settings(first, base), reader="logprobs"), (), ())
    tokenizer, neighbours = chat.open_tokenizer(base), Neighbours(model.examples, first.labels, device())
    scorers = {
        answers: PromptedScorer(
            prompt,
            tokenizer,
            engine.reading(prompt.token_ids),
            neighbours,
            nearest=model.nearest,
            max_example_tokens=model.max_example_tokens,
        )
        for answers, prompt in model.prompts.items()
    }
    return choose(scorers, model.probe, model.annotated, model.calibrate)
