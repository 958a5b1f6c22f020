"""Classify with a language model and a prompt, without training: zero-shot, or with annotated examples (few-shot)."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from laud_ray.cluster.workers import Workers
from laud_ray.config import PromptedSection
from laud_ray.models.encoder.encoding import device
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language import chat, label_prompt
from laud_ray.models.language.answers.comparison import Undecided, candidates, compare
from laud_ray.models.language.label_prompt import Answers, LabelPrompt
from laud_ray.models.language.prompts import Prompt
from laud_ray.models.language.scorer import PromptedScorer, Reads, calibrated, engine, engine_settings
from laud_ray.models.language.stream import StreamFor
from laud_ray.storage.model_folder import describe, seal
from laud_ray.types import Example, Task

EXAMPLES = "examples.json"
PROBE = "probe.json"
# The least number of label orders that a model prepares, so that its position bias can be measured.
ORDERS = 2


@dataclass(frozen=True, slots=True)
class InContextLearner:
    """Puts annotated examples before each document in the prompt (Brown et al. 2020, arXiv 2005.14165).

    Attributes:
        settings: the model and its prompt.
        examples: the most examples in a prompt; 0 is zero-shot.
        choose: `nearest`: those nearest to each document; `balanced`: the same for all documents, balanced over the
            classes.
        max_example_tokens: the most tokens of a prompt that examples may take.
        calibrate: whether to divide by the mean probability of each label on the probe; None: if words are the answers.
        probe: a random sample of the corpus, on which label bias is measured, and `settings.answers: auto` decides.
        workers: the workers of a pass; one of them starts an engine if `auto` is to decide. None: codes.
    """

    settings: PromptedSection
    examples: int = 0
    choose: str = "nearest"
    max_example_tokens: int = 2048
    calibrate: bool | None = None
    probe: tuple[str, ...] = ()
    workers: Workers | None = None

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        """Write a model, which is a prompt with examples, to the local folder `out`.

        Raises:
            ModelError: if the prompt does not fit into the model's context.
            PassError: if no worker can compare the possible answers.
        """
        tokenizer = chat.open_tokenizer(self.settings.model, template=self.settings.chat_template)
        shown = self._balanced(tokenizer, task, examples, np.random.default_rng(seed))
        nearest = min(self.examples, len(examples)) if self.choose == "nearest" else 0
        prompts = candidates(
            tokenizer,
            task,
            self.settings,
            orders=max(ORDERS, self.settings.orders),
            examples=shown,
            spare=self.max_example_tokens if nearest else 0,
        )
        model = Undecided(
            prompts,
            {answers: self.calibrates(answers) for answers in prompts},
            self.probe,
            tuple(example for example in examples if example not in shown),
            tuple(examples) if nearest or _chooses(prompts) else (),
            nearest,
            self.max_example_tokens,
        )
        choice = compare(model, self.workers) if self.workers and self.probe and len(prompts) > 1 else None
        answers: Answers = choice.answers if choice else next(iter(prompts))
        path = Path(out)
        path.mkdir(parents=True, exist_ok=True)
        (path / EXAMPLES).write_text(json.dumps([asdict(e) for e in model.examples]))
        (path / PROBE).write_text(json.dumps(self.probe))
        description = {
            "kind": "in_context",
            "base": self.settings.model,
            "labels": list(task.names),
            "examples": len(examples),
            "nearest": nearest,
            "max_example_tokens": self.max_example_tokens,
            "calibrate": self.calibrates(answers),
            "temperature": 1.0,
            "prompt": prompts[answers].to_json(),
            **({} if choice is None else {"measured": {"health": choice.health, "prior": choice.prior}}),
        }
        seal(path, description)

    def calibrates(self, answers: Answers) -> bool:
        """Whether scores are divided by the label bias; words have a larger one than letters."""
        return answers != "codes" if self.calibrate is None else self.calibrate

    @staticmethod
    def open(model: str, start: Callable[[LabelPrompt, Any, str], Reads] = engine) -> PromptedScorer:
        """Open a model folder; `start` makes the engine from the prompt, the tokenizer and the base model."""
        path, description = describe(model)
        tokenizer = chat.open_tokenizer(description["base"])
        prompt = label_prompt.from_json(description["prompt"], tokenizer)
        examples = [Example(**e) for e in json.loads((path / EXAMPLES).read_text())]
        needed = prompt.narrow or description["nearest"]
        scorer = PromptedScorer(
            prompt,
            tokenizer,
            start(prompt, tokenizer, description["base"]),
            Neighbours(examples, prompt.labels, device()) if needed else None,
            nearest=description["nearest"],
            max_example_tokens=description["max_example_tokens"],
            temperature=description["temperature"],
        )
        if "measured" in description:
            health, prior = description["measured"]["health"], description["measured"]["prior"]
            return replace(scorer, health=health, prior=None if prior is None else np.asarray(prior, np.float32))
        return calibrated(scorer, json.loads((path / PROBE).read_text()), description["calibrate"])

    @staticmethod
    def open_beside(model: str, stream_for: StreamFor) -> PromptedScorer:
        """Open a model folder in a shared engine; arguments as for `CausalLearner.open_beside`."""

        def reader(prompt: LabelPrompt, _tokenizer: Any, base: str) -> Reads:
            return stream_for(engine_settings(prompt, base), None).reader(prompt.token_ids)

        return InContextLearner.open(model, reader)

    def _balanced(
        self, tokenizer: Any, task: Task, examples: Sequence[Example], rng: np.random.Generator
    ) -> list[Example]:
        """Choose examples class by class in turn until the token limit; none unless `choose` is `balanced`."""
        if self.choose != "balanced":
            return []
        by_label: dict[str, list[Example]] = defaultdict(list)
        for i in rng.permutation(len(examples)):
            by_label[examples[i].label].append(examples[i])
        turns = [e for turn in range(self.examples) for name in task.names for e in by_label[name][turn : turn + 1]]
        chosen: list[Example] = []
        tokens = 0
        for example in turns[: self.examples]:
            tokens += len(chat.encode(tokenizer, Prompt().opening(examples=[example])))
            if tokens > self.max_example_tokens:
                break
            chosen.append(example)
        return chosen


def _chooses(prompts: Mapping[Answers, LabelPrompt]) -> bool:
    """Whether the labels of the annotated examples are among a document's own options."""
    return any(prompt.tree and prompt.narrow for prompt in prompts.values())
