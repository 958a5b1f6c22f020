"""What a served model says, as values, and how they are read from the service's JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from laud_ray.types import Estimate, Label


@dataclass(frozen=True, slots=True)
class Model:
    """Which model answered; its version differs where its files do."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A text's label, or why it has none.

    Attributes:
        label: the likeliest, also where the service abstained; None where there is an error.
        confidence: calibrated, 0 to 1; None where there is an error.
        abstained: whether the confidence is below the threshold.
        top: the likeliest labels with their confidences, likeliest first.
        model: the name of the model that answered.
        error: why this text cannot be classified, such as "is empty; expected a text"; None where it was.
    """

    label: str | None
    confidence: float | None
    abstained: bool
    top: tuple[tuple[str, float], ...]
    model: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Classified:
    """The predictions in the order of the texts, and the models that made them, each once, in the order of its texts.

    There is more than one model where the service changed its model between the requests of a long list.
    """

    results: tuple[Prediction, ...]
    models: tuple[Model, ...]

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Put the parts of a list together again."""
        parts = list(parts)
        models = dict.fromkeys(chain.from_iterable(part.models for part in parts))
        return cls(tuple(chain.from_iterable(part.results for part in parts)), tuple(models))


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model that the service answers with.

    Attributes:
        kind: of its learner.
        base: the model that it was trained from.
        labels: how many it tells apart.
        examples: how many it learned from.
        loaded_at: when the service loaded it.
        accuracy: on the evaluation sample; None where it was not evaluated.
    """

    name: str
    version: str
    kind: str
    base: str | None
    labels: int
    examples: int | None
    loaded_at: str
    accuracy: Estimate | None


# What is missing or of another kind is a KeyError, TypeError, ValueError or AttributeError: no answer of the service.


def read_classified(body: Mapping[str, Any], texts: int) -> Classified:
    """Read the answer to a number of texts."""
    model = Model(str(body["model"]["name"]), str(body["model"]["version"]))
    results = tuple(_prediction(result, model.name) for result in body["results"])
    if len(results) != texts:
        raise ValueError(f"{len(results)} results for {texts} texts")
    return Classified(results, (model,))


def _prediction(result: Mapping[str, Any], model: str) -> Prediction:
    if "error" in result:
        return Prediction(None, None, False, (), model, str(result["error"]))
    top = tuple((str(each["label"]), float(each["confidence"])) for each in result["top"])
    return Prediction(str(result["label"]), float(result["confidence"]), bool(result["abstained"]), top, model)


def read_model(body: Mapping[str, Any]) -> ServedModel:
    accuracy = (body["evaluation"] or {}).get("accuracy")
    return ServedModel(
        name=str(body["name"]),
        version=str(body["version"]),
        kind=str(body["kind"]),
        base=body["base"],
        labels=int(body["labels"]),
        examples=body["examples"],
        loaded_at=str(body["loaded_at"]),
        accuracy=accuracy and Estimate(**{key: accuracy[key] for key in ("value", "low", "high", "n")}),
    )


def read_labels(body: Mapping[str, Any]) -> tuple[Label, ...]:
    return tuple(Label(str(label["name"]), label["description"]) for label in body["labels"])
