"""The responses of the service as values, and how they are parsed from its JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from laud_ray.types import Estimate, Label


@dataclass(frozen=True, slots=True)
class Model:
    """The model that answered. The version changes when the files of the model change."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for a text, or the reason why there is none.

    Attributes:
        label: the likeliest label, even if the service abstained; None if there is an error.
        confidence: calibrated, 0 to 1; None if there is an error.
        abstained: whether the confidence is below the threshold.
        top: the likeliest labels with their confidences, likeliest first.
        model: the name of the model that answered.
        error: why the text cannot be classified, such as "is empty; expected a text"; None if it was classified.
    """

    label: str | None
    confidence: float | None
    abstained: bool
    top: tuple[tuple[str, float], ...]
    model: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Classified:
    """Predictions for a list of texts.

    Attributes:
        results: one for each text, in the order of the texts.
        models: the distinct models that made them. There are several if the service changed its model between the
            requests for a long list.
    """

    results: tuple[Prediction, ...]
    models: tuple[Model, ...]

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Concatenate the responses for the parts of a list."""
        parts = list(parts)
        models = dict.fromkeys(chain.from_iterable(part.models for part in parts))
        return cls(tuple(chain.from_iterable(part.results for part in parts)), tuple(models))


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model that the service uses.

    Attributes:
        kind: the kind of its learner.
        base: the base model from which it was trained.
        labels: number of labels.
        examples: number of training examples.
        loaded_at: when the service loaded it.
        accuracy: on the evaluation sample; None if it was not evaluated.
    """

    name: str
    version: str
    kind: str
    base: str | None
    labels: int
    examples: int | None
    loaded_at: str
    accuracy: Estimate | None


# These functions raise KeyError, TypeError, ValueError or AttributeError for JSON that is no response of the service.


def read_classified(body: Mapping[str, Any], texts: int) -> Classified:
    """Parse the response for a number of texts."""
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
