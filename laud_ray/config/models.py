"""What scores and learns: the zero-shot scorers and the learners."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from laud_ray.config.section import PathText, Section


class EncoderZeroShotConfig(Section):
    """Similarity of text and label in a sentence encoder. `template` turns a label's name into a text to embed."""

    engine: Literal["encoder"] = "encoder"
    model: PathText = "bundled"
    template: str = "{label}"

    @field_validator("template")
    @classmethod
    def _has_label(cls, template: str) -> str:
        if "{label}" not in template:
            raise ValueError(f"{template!r}: expected a text with {{label}} in it")
        return template


class PromptedSection(Section):
    """What every scorer that reads labels off a language model needs. The model is a hub name or a folder.

    Attributes:
        guideline: what an annotator would be told beyond the labels.
        max_labels: more labels than this are cut, for each document, to the likeliest by the encoder.
        max_text_tokens: longer texts are cut there.
        max_context: tokens of the longest prompt.
        orders: label orders that are averaged over, against position bias.
        calibrate: divide by the mean probability of each label on a sample of the corpus. It takes out what a
            model likes of itself, and with it how common a class is: never for a binary task.
        reader: how label probabilities are read: as log-probabilities of the next token, or with the language
            model cut down to a classifier over the label codes.
        memory: share of the GPU's memory that the engine takes.
    """

    model: PathText
    guideline: str = ""
    max_labels: int = Field(default=64, ge=2, le=128)
    max_text_tokens: int = Field(default=256, ge=4)
    max_context: int = Field(default=4096, ge=64)
    orders: int = Field(default=1, ge=1, le=16)
    calibrate: bool = False
    reader: Literal["logprobs", "classify"] = "classify"
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    memory: float = Field(default=0.9, gt=0, le=1)


class VllmZeroShotConfig(PromptedSection):
    """The probabilities that a language model gives to the codes of the labels."""

    engine: Literal["vllm"]


class EncoderConfig(Section):
    """LoRA on an encoder and a cosine head that starts as the label embeddings.

    Attributes:
        memory: unlabelled documents of the corpus whose predictions count for texts near them; 0 for none. It pays
            with some thirty of them a class, and costs where the classes have a long tail (docs/LOG.md), so None is
            3,000 for a multiclass task with at least 25 of them a class, else 0.
    """

    kind: Literal["encoder"]
    model: PathText = "bundled"
    rank: int = Field(default=16, ge=1, le=512)
    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    batch: int = Field(default=32, ge=1)
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    holdout: float = Field(default=0.0, ge=0, le=0.5)
    memory: int | None = Field(default=None, ge=0, le=20_000)


class LinearConfig(Section):
    """Frozen embeddings and a regularised linear head: the cheap baseline. `smoothing` is against wrong labels."""

    kind: Literal["linear"]
    model: PathText = "bundled"
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    smoothing: float = Field(default=0.0, ge=0, lt=1)


class CausalConfig(PromptedSection):
    """LoRA on a decoder language model whose target is the code of the label.

    Attributes:
        rank: of the adapter; vLLM loads no others.
        batch: examples per step, over all workers.
        batch_tokens: tokens that a worker computes at a time; the rest of its share is accumulated.
        shard: spread the base model over the workers (FSDP2), for models that do not fit one device.
    """

    kind: Literal["causal"]
    rank: Literal[8, 16, 32, 64, 128, 256] = 16
    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    batch: int = Field(default=16, ge=1)
    batch_tokens: int = Field(default=8192, ge=64)
    checkpointing: bool = True
    shard: bool = False


class InContextConfig(PromptedSection):
    """No training: annotated examples in the prompt, the same for all documents or the nearest of each."""

    kind: Literal["in_context"]
    examples: int = Field(default=16, ge=1)
    choose: Literal["nearest", "balanced"] = "nearest"
    max_example_tokens: int = Field(default=2048, ge=16)


def _engine(value: Any) -> str:
    """The engine decides which keys zero_shot has; without one it is the encoder's."""
    return str(value.get("engine", "encoder") if isinstance(value, dict) else getattr(value, "engine", "encoder"))


ZeroShotConfig = Annotated[
    Annotated[EncoderZeroShotConfig, Tag("encoder")] | Annotated[VllmZeroShotConfig, Tag("vllm")],
    Discriminator(_engine),
]
LearnerConfig = Annotated[EncoderConfig | LinearConfig | CausalConfig | InContextConfig, Field(discriminator="kind")]
