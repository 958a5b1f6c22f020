"""The zero-shot scorers and the learners."""

from math import ceil
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from laud_ray.config.section import PathText, Section

# How long a causal learner trains by default: with fewer steps, a small model names one label for everything.
LEAST_EPOCHS, LEAST_STEPS = 4, 100


class EncoderZeroShotConfig(Section):
    """Score by the similarity of text and label under a sentence encoder.

    Attributes:
        template: turns the name of a label into the text that is embedded, such as "a product of the type {label}".
    """

    engine: Literal["encoder"] = "encoder"
    model: PathText = "bundled"
    template: str = "{label}"

    @field_validator("template")
    @classmethod
    def _has_label(cls, template: str) -> str:
        if "{label}" not in template:
            raise ValueError(f"{template!r} is not valid; expected a text that contains {{label}}")
        return template


class PromptedSection(Section):
    """Keys of every scorer that takes label probabilities from a prompted language model.

    Attributes:
        model: a name on the Hugging Face hub, or a folder.
        guideline: instructions for annotation beyond the labels and their descriptions.
        max_labels: the most labels in a prompt. With more, each document's prompt has those that the encoder finds
            likeliest.
        max_text_tokens: longer texts are truncated to this many tokens.
        max_context: the most tokens of a prompt.
        orders: label orders over which probabilities are averaged, against position bias.
        calibrate: divide by the mean probability of each label on a sample of the corpus (batch calibration, Zhou et
            al. 2023, arXiv 2309.17249). This removes the model's bias towards some labels, but also the classes' real
            frequencies, so a binary task does not use it. None: unless codes are the answers.
        answers: what the model's probabilities are read of: `codes`, a letter or number for each label that the prompt
            lists; `keywords`, a word from each label's name in their place, which a small model follows better; or
            `words`, the whole names, which need several prompts for each document. auto chooses when the model is
            made, on a sample, and records the choice.
        chat_template: whether prompts are put into the model's chat template. Without it they are plain text that the
            answer continues, which a small model may follow better.
        reader: how the probabilities of codes are read: `logprobs` takes those of the next token, `classify` reduces
            the language model to a classifier over the label codes. Words always need `logprobs`.
        memory: share of the GPU's memory that the engine reserves.
    """

    model: PathText
    guideline: str = ""
    max_labels: int = Field(default=64, ge=2, le=128)
    max_text_tokens: int = Field(default=256, ge=4)
    max_context: int = Field(default=4096, ge=64)
    orders: int = Field(default=1, ge=1, le=16)
    calibrate: bool | None = None
    answers: Literal["auto", "codes", "keywords", "words"] = "auto"
    chat_template: bool = True
    reader: Literal["logprobs", "classify"] = "classify"
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    memory: float = Field(default=0.9, gt=0, le=1)


class VllmZeroShotConfig(PromptedSection):
    """Score by the probabilities that a language model gives to the codes or words of the labels."""

    engine: Literal["vllm"]


class EncoderConfig(Section):
    """LoRA on an encoder, with a cosine head that is initialised with the label embeddings.

    Attributes:
        rank: rank of the adapter.
        epochs: how often training goes through the examples. None: 3 times for a taxonomy, whose rows of the head move
            with the encoder, so that it overfits sooner (docs/LOG.md); else 10 times.
        batch: examples per step.
        max_tokens: longer texts are truncated to this many tokens.
        class_balance: exponent of the inverse class frequency by which examples are weighted; 0 weights all alike.
        holdout: share of the examples that is kept from the first epochs of training, for calibration; at least 0.2 for
            a multilabel task, whose thresholds are fitted to them.
        memory: unlabelled documents of the corpus whose predictions are shared with nearest neighbours; 0 for none.
            It helps from about thirty documents per class, and hurts where the classes have a long tail
            (docs/LOG.md). None: 3,000 for a multiclass task with at most 120 classes (25 documents per class), 8,000
            for a multilabel task with at most 320 labels, else 0. In a multilabel task, annotated documents have an
            influence on similar ones too, unless it is 0.
    """

    kind: Literal["encoder"]
    model: PathText = "bundled"
    rank: int = Field(default=16, ge=1, le=512)
    epochs: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    batch: int = Field(default=32, ge=1)
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    holdout: float = Field(default=0.0, ge=0, le=0.5)
    memory: int | None = Field(default=None, ge=0, le=20_000)

    def epochs_for(self, kind: str) -> int:
        """Return the number of epochs for a kind of task, at least 1."""
        return self.epochs or (3 if kind == "taxonomy" else 10)

    def holdout_for(self, kind: str) -> float:
        """Return the share of the examples that is held out for a kind of task."""
        return max(self.holdout, 0.2) if kind == "multilabel" else self.holdout


class LinearConfig(Section):
    """Frozen embeddings and a regularised linear head: the cheap baseline.

    Attributes:
        smoothing: label smoothing, which makes training robust to wrong labels.
    """

    kind: Literal["linear"]
    model: PathText = "bundled"
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    smoothing: float = Field(default=0.0, ge=0, lt=1)


class CausalConfig(PromptedSection):
    """LoRA on a decoder language model whose target is the code or keyword of the label.

    Attributes:
        answers: what the model learns to answer: a letter for each label, or a word from its name, which a small model
            learns from fewer annotations.
        rank: rank of the adapter; vLLM supports only these.
        epochs: how often training goes through the examples. None: as often as makes 100 steps, and at least 4 times.
        learning_rate: the highest one, after a tenth of the training. None: by the width of the model, 1.3e-3 for a
            hidden size of 576 and 2.9e-4 for 4,096. If the model learns nothing with it, others are tried.
        batch: examples per step, over all workers.
        holdout: share of the examples that the first four fifths of the epochs do not train on; the temperature is
            fitted on them. They are at least 20, and none of fewer than 60 examples; 0 for none.
        batch_tokens: the most tokens in a forward pass of one worker; larger batches use gradient accumulation.
        checkpointing: recompute activations in the backward pass to save memory, for a third more time. None: if
            those of a batch would take more than 4 GB.
        shard: shard the base model over the workers (FSDP2), for models that do not fit on one device.
    """

    kind: Literal["causal"]
    answers: Literal["codes", "keywords"] = "keywords"
    rank: Literal[8, 16, 32, 64, 128, 256] = 16
    epochs: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    batch: int = Field(default=16, ge=1)
    holdout: float = Field(default=0.1, ge=0, le=0.5)
    batch_tokens: int = Field(default=8192, ge=64)
    checkpointing: bool | None = None
    shard: bool = False

    def epochs_for(self, examples: int) -> int:
        """Return the number of epochs for a number of examples, at least 1."""
        return self.epochs or max(LEAST_EPOCHS, ceil(LEAST_STEPS / ceil(examples / self.batch)))


class InContextConfig(PromptedSection):
    """Annotated examples in the prompt, without training.

    Attributes:
        examples: examples per prompt.
        choose: `nearest` shows each document its nearest neighbours, `balanced` shows all documents the same examples
            of every class.
        max_example_tokens: the most tokens of all examples in a prompt together.
    """

    kind: Literal["in_context"]
    examples: int = Field(default=16, ge=1)
    choose: Literal["nearest", "balanced"] = "nearest"
    max_example_tokens: int = Field(default=2048, ge=16)


def _engine(value: Any) -> str:
    """Return the engine, which decides which keys zero_shot has; the default is encoder."""
    return str(value.get("engine", "encoder") if isinstance(value, dict) else getattr(value, "engine", "encoder"))


ZeroShotConfig = Annotated[
    Annotated[EncoderZeroShotConfig, Tag("encoder")] | Annotated[VllmZeroShotConfig, Tag("vllm")],
    Discriminator(_engine),
]
LearnerConfig = Annotated[EncoderConfig | LinearConfig | CausalConfig | InContextConfig, Field(discriminator="kind")]
