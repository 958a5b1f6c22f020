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
        label: the likeliest label, even if the service abstained; None if there is an error, or no answer, or where
            several labels can apply.
        confidence: calibrated, 0 to 1; None if there is an error.
        abstained: whether the confidence is below the threshold.
        top: the likeliest labels with their confidences, likeliest first.
        model: the name of the model that answered.
        error: why the text cannot be classified, such as "is empty; expected a text"; None if it was classified.
        code: of a taxonomy: the code of the answered node, or its path if it has none.
        path: of a taxonomy: the names from the top to the answered node, whose path as text is `label`.
        confidences: of a taxonomy: those on the whole path of the likeliest leaf, from the top. That of the answered
            node is number `depth`.
        depth: of a taxonomy: the level of the answered node, from 1; 0 if nothing is answered, and `label` and
            `confidence` are None then. None for other tasks.
        backed_off: whether the answer is an inner node of a taxonomy.
        labels: where several labels can apply: those that do, with their confidences, likeliest first; may be empty.
            `label` is None then, and `confidence` that of the whole set. None for other tasks.
        thresholds: where several labels can apply: from which confidence on each label of `top` does; else empty.
    """

    label: str | None
    confidence: float | None
    abstained: bool
    top: tuple[tuple[str, float], ...]
    model: str
    error: str | None = None
    code: str | None = None
    path: tuple[str, ...] = ()
    confidences: tuple[float, ...] = ()
    depth: int | None = None
    backed_off: bool = False
    labels: tuple[tuple[str, float], ...] | None = None
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Classified:
    """Predictions for a list of texts.

    Attributes:
        results: one for each text, in the order of the texts.
        models: the distinct models that made them. There are several if the service changed its model between the
            requests for a long list.
        promises: the distinct promises that the answers keep, in words; one for each model if an accuracy was asked
            for, or if the run promises one.
    """

    results: tuple[Prediction, ...]
    models: tuple[Model, ...]
    promises: tuple[str, ...] = ()

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Concatenate the responses for the parts of a list."""
        parts = list(parts)
        models = dict.fromkeys(chain.from_iterable(part.models for part in parts))
        promises = dict.fromkeys(chain.from_iterable(part.promises for part in parts))
        return cls(tuple(chain.from_iterable(part.results for part in parts)), tuple(models), tuple(promises))


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
        levels: of a taxonomy, whose leaves the labels are; None for other tasks.
        multilabel: whether several labels can apply to a text. Then `accuracy` is the share of texts with exactly the
            right labels, and `micro_f1` the F1 over all pairs of a text and a label; None for other tasks.
    """

    name: str
    version: str
    kind: str
    base: str | None
    labels: int
    examples: int | None
    loaded_at: str
    accuracy: Estimate | None
    levels: int | None = None
    multilabel: bool = False
    micro_f1: Estimate | None = None


# These functions raise KeyError, TypeError, ValueError or AttributeError for JSON that is no response of the service.


def read_classified(body: Mapping[str, Any], texts: int) -> Classified:
    """Parse the response for a number of texts."""
    model = Model(str(body["model"]["name"]), str(body["model"]["version"]))
    results = tuple(_prediction(result, model.name) for result in body["results"])
    if len(results) != texts:
        raise ValueError(f"{len(results)} results for {texts} texts")
    promise = body.get("promise")
    return Classified(results, (model,), () if promise is None else (str(promise["text"]),))


def _prediction(result: Mapping[str, Any], model: str) -> Prediction:
    if "error" in result:
        return Prediction(None, None, False, (), model, str(result["error"]))
    top = tuple((str(each["label"]), float(each["confidence"])) for each in result["top"])
    if "depth" in result:
        return _node(result, top, model)
    if "labels" in result:
        return _set(result, top, model)
    return Prediction(str(result["label"]), float(result["confidence"]), bool(result["abstained"]), top, model)


def _node(result: Mapping[str, Any], top: tuple[tuple[str, float], ...], model: str) -> Prediction:
    depth = int(result["depth"])
    return Prediction(
        label=str(result["label"]) if depth else None,
        confidence=float(result["confidence"]) if depth else None,
        abstained=bool(result["abstained"]),
        top=top,
        model=model,
        code=str(result["code"]) if depth else None,
        path=tuple(map(str, result["path"])),
        confidences=tuple(map(float, result["confidences"])),
        depth=depth,
        backed_off=bool(result["backed_off"]),
    )


def _set(result: Mapping[str, Any], top: tuple[tuple[str, float], ...], model: str) -> Prediction:
    return Prediction(
        label=None,
        confidence=float(result["confidence"]),
        abstained=bool(result["abstained"]),
        top=top,
        model=model,
        labels=tuple((str(each["label"]), float(each["confidence"])) for each in result["labels"]),
        thresholds=tuple(float(each["threshold"]) for each in result["top"]),
    )


def read_model(body: Mapping[str, Any]) -> ServedModel:
    return ServedModel(
        name=str(body["name"]),
        version=str(body["version"]),
        kind=str(body["kind"]),
        base=body["base"],
        labels=int(body["labels"]),
        examples=body["examples"],
        loaded_at=str(body["loaded_at"]),
        accuracy=_figure(body, "accuracy"),
        levels=(body.get("taxonomy") or {}).get("levels"),
        multilabel=body.get("multilabel") is not None,
        micro_f1=_figure(body, "micro_f1"),
    )


def _figure(body: Mapping[str, Any], name: str) -> Estimate | None:
    found = (body["evaluation"] or {}).get(name)
    return found and Estimate(**{key: found[key] for key in ("value", "low", "high", "n")})


def read_labels(body: Mapping[str, Any]) -> tuple[tuple[Label, ...], int]:
    """Return the labels of a response, and how many the model has in all."""
    labels = tuple(Label(str(label["name"]), label["description"]) for label in body["labels"])
    return labels, int(body.get("total", len(labels)))
