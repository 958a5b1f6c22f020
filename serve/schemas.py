"""The requests and responses of the API, their validation, and the error of a refused request."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

# Control characters other than white space, which logs and terminals would interpret.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# Halves of surrogate pairs, which JSON can escape but no encoding can write.
HALF = re.compile(r"[\ud800-\udfff]")
_NOT_ONE_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_RETRY = {429: 1, 503: 2}


class FaultError(Exception):
    """A refused request.

    Attributes:
        status: the HTTP status.
        code: identifies the error for programs.
        message: one line for people.
        retry_after: seconds for the Retry-After header, or None.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})
        self.status, self.code, self.message = status, code, message
        self.retry_after = _RETRY.get(status) if retry_after is None else retry_after


def too_late(deadline_s: float) -> FaultError:
    return FaultError(504, "deadline", f"no answer within {deadline_s:g} s; the work was dropped")


class Wire(BaseModel):
    """A request or a response.

    Attributes:
        EXAMPLE: a minimal request, for messages.
        EXPECTED: a description of each field's values that follows the word "expected" in messages.
    """

    EXAMPLE: ClassVar[str] = ""
    EXPECTED: ClassVar[Mapping[str, str]] = {}
    model_config = ConfigDict(extra="forbid", strict=True)


def _without(unwanted: re.Pattern[str]) -> AfterValidator:
    def check(value: str) -> str:
        found = unwanted.search(value)
        if found is not None:
            raise ValueError(f"has U+{ord(found[0]):04X} at character {found.start()}; expected none")
        return value

    return AfterValidator(check)


_LENGTH, _LABEL_LENGTH = "1 to 200 characters", "1 to 2000 characters"
# These are stored and shown in reports and terminals, so they are short and on one line.
Name = Annotated[str, Field(min_length=1, max_length=200), _without(_NOT_ONE_LINE)]
# The task's label is stored in place of this text, so white space around it is allowed. A path can be long.
LabelName = Annotated[str, Field(min_length=1, max_length=2000), _without(CONTROL), _without(HALF)]
OneLine = Annotated[LabelName, _without(_NOT_ONE_LINE)]
MOST_LABELS = 1000
Labels = Annotated[list[LabelName], Field(max_length=MOST_LABELS, fail_fast=True)]


class ClassifyRequest(Wire):
    EXAMPLE = 'an object such as {"texts": ["choc milk 1l"]}'
    EXPECTED = {
        "texts": "a text or a list of texts",
        "top_k": "a whole number of at least 1",
        "threshold": "a number from 0 to 1, or null for the service's own",
        "accuracy": "a number above 0 and below 1, or null",
        "level": "a whole number of at least 1, or null",
    }
    # A long list of anything else costs a gigabyte if all of its errors are collected.
    texts: str | Annotated[list[str], Field(fail_fast=True)] = Field(examples=[["choc milk 1l", "gala apples"]])
    top_k: int = Field(3, ge=1, description="How many labels to list for each text; at most all there are.")
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Confidence below this is marked as abstained; by default the service's own."
    )
    accuracy: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = Field(
        None, description="Of a taxonomy: answer as deep as this share of right answers can be promised."
    )
    level: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Of a taxonomy: the deepest level that is answered; 1 is the top."
    )

    @model_validator(mode="after")
    def _one_depth(self) -> "ClassifyRequest":
        if self.accuracy is not None and self.level is not None:
            raise ValueError("has both `accuracy` and `level`; expected one of them")
        return self


class Scored(Wire):
    label: str = Field(examples=["Milk"])
    confidence: float = Field(examples=[0.93])


class Result(Scored):
    """The prediction for a text. `label` is the likeliest label, even if the result is `abstained`."""

    abstained: bool
    top: list[Scored]


class NodeResult(Wire):
    """The prediction for a text in a taxonomy.

    `confidences` are the probabilities on the whole path of the likeliest leaf, from the top; the answered node is
    number `depth` of that path. Where nothing is answered, `depth` is 0 and the result is `abstained`.
    """

    label: str | None = Field(examples=["Food > Milk"], description="The path of the answered node, as text.")
    confidence: float | None = Field(examples=[0.93])
    code: str | None = Field(examples=["50131700"], description="The code of the node; its path if it has none.")
    path: list[str] = Field(examples=[["Food", "Milk"]])
    confidences: list[float] = Field(examples=[[0.97, 0.93, 0.41]])
    depth: int = Field(examples=[2])
    backed_off: bool = Field(description="Whether the answer is an inner node.")
    abstained: bool
    top: list[Scored] = Field(description="The likeliest leaves.")


class Candidate(Scored):
    """A label that may apply to a text. It applies from its threshold on, unless a limit of the task leaves it out."""

    threshold: float = Field(examples=[0.31])


class SetResult(Wire):
    """The prediction for a text to which several labels can apply, or none.

    `labels` are those that apply, likeliest first, with their probabilities. `confidence` is the probability that the
    whole set is right, if labels are independent of each other; below the threshold of the request, the result is
    `abstained`.
    """

    labels: list[Scored]
    confidence: float = Field(examples=[0.71])
    abstained: bool
    top: list[Candidate] = Field(description="The likeliest labels, whether they apply or not.")


class Failed(Wire):
    """Replaces the result of a text that cannot be classified. The other texts have their results."""

    error: str = Field(examples=["is empty; expected a text"])


class ModelName(Wire):
    name: str = Field(examples=["round-0003"])
    version: str = Field(examples=["9f1c2ab34d5e"], description="The start of the model's checksum.")


class PromiseMade(Wire):
    """The promise that the answers in a taxonomy keep. If it is not verified, nothing is answered."""

    accuracy: float = Field(examples=[0.9])
    verified: bool
    text: str = Field(
        examples=["90 % right, promised at 95 %; 61 % of documents to the leaf, 39 % to level 2 (n = 750)"]
    )


class ClassifyResponse(Wire):
    model: ModelName
    promise: PromiseMade | None = Field(None, description="Only for a taxonomy, if an accuracy is promised.")
    results: list[Result | NodeResult | SetResult | Failed]


class FeedbackRequest(Wire):
    """The right label of a text, or only that the predicted one is wrong.

    Of a task with several labels for a text, `labels` are all right ones; an empty list says that none applies.
    """

    EXAMPLE = 'an object such as {"text": "choc milk 1l", "label": "Milk"}'
    EXPECTED = {
        "text": "a text",
        "label": f"the name of a label, of {_LABEL_LENGTH}",
        "labels": f"a list of names of labels, at most {MOST_LABELS:,}",
        "labels[]": f"the name of a label, of {_LABEL_LENGTH}",
        "wrong": "true",
        "predicted": f"the name of a label, of {_LABEL_LENGTH}, or a list of them",
        "predicted[]": f"the name of a label, of {_LABEL_LENGTH}",
        "model": f"the name of a model, of {_LENGTH}",
        "who": f"a name of {_LENGTH}",
    }
    text: str = Field(examples=["choc milk 1l"])
    label: LabelName | None = Field(None, examples=["Milk"])
    labels: Labels | None = Field(None, description="Where several labels can apply: all that do.")
    wrong: Literal[True] | None = None
    predicted: OneLine | Annotated[list[OneLine], Field(max_length=MOST_LABELS, fail_fast=True)] | None = None
    model: Name | None = None
    who: Name = "anonymous"

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackRequest":
        said = [key for key in ("label", "labels", "wrong") if getattr(self, key) is not None]
        if not said:
            raise ValueError("has neither `label` nor `wrong`; expected a label, or wrong: true")
        if len(said) > 1:
            raise ValueError(f"has both `{said[0]}` and `{said[1]}`; expected a label, or wrong: true")
        return self


class FeedbackResponse(Wire):
    stored: bool
    id: str


class ErrorBody(Wire):
    code: str
    message: str
    request_id: str


class ErrorResponse(Wire):
    error: ErrorBody
