"""The requests and responses of the API, their validation, and the error of a refused request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from laud_ray.texts import normalise_text
from serve.arguments import Limits

# Control characters other than white space, which logs and terminals would interpret.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# Halves of surrogate pairs, which JSON can escape but no encoding can write.
_HALF = re.compile(r"[\ud800-\udfff]")
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


_LENGTH = "1 to 200 characters"
# These are stored and shown in reports and terminals, so they are short and on one line.
Name = Annotated[str, Field(min_length=1, max_length=200), _without(_NOT_ONE_LINE)]
# The task's label is stored in place of this text, so white space around it is allowed.
LabelName = Annotated[str, Field(min_length=1, max_length=200), _without(_CONTROL), _without(_HALF)]


class ClassifyRequest(Wire):
    EXAMPLE = 'an object such as {"texts": ["choc milk 1l"]}'
    EXPECTED = {
        "texts": "a text or a list of texts",
        "top_k": "a whole number of at least 1",
        "threshold": "a number from 0 to 1, or null for the service's own",
    }
    # A long list of anything else costs a gigabyte if all of its errors are collected.
    texts: str | Annotated[list[str], Field(fail_fast=True)] = Field(examples=[["choc milk 1l", "gala apples"]])
    top_k: int = Field(3, ge=1, description="How many labels to list for each text; at most all there are.")
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Confidence below this is marked as abstained; by default the service's own."
    )


class Scored(Wire):
    label: str = Field(examples=["Milk"])
    confidence: float = Field(examples=[0.93])


class Result(Scored):
    """The prediction for a text. `label` is the likeliest label, even if the result is `abstained`."""

    abstained: bool
    top: list[Scored]


class Failed(Wire):
    """Replaces the result of a text that cannot be classified. The other texts have their results."""

    error: str = Field(examples=["is empty; expected a text"])


class ModelName(Wire):
    name: str = Field(examples=["round-0003"])
    version: str = Field(examples=["9f1c2ab34d5e"], description="The start of the model's checksum.")


class ClassifyResponse(Wire):
    model: ModelName
    results: list[Result | Failed]


class FeedbackRequest(Wire):
    """The right label of a text, or only that the predicted one is wrong."""

    EXAMPLE = 'an object such as {"text": "choc milk 1l", "label": "Milk"}'
    EXPECTED = {
        "text": "a text",
        "label": f"the name of a label, of {_LENGTH}",
        "wrong": "true",
        "predicted": f"the name of a label, of {_LENGTH}",
        "model": f"the name of a model, of {_LENGTH}",
        "who": f"a name of {_LENGTH}",
    }
    text: str = Field(examples=["choc milk 1l"])
    label: LabelName | None = Field(None, examples=["Milk"])
    wrong: Literal[True] | None = None
    predicted: Name | None = None
    model: Name | None = None
    who: Name = "anonymous"

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackRequest":
        if (self.label is None) == (self.wrong is None):
            both = "both `label` and `wrong`" if self.wrong else "neither `label` nor `wrong`"
            raise ValueError(f"has {both}; expected a label, or wrong: true")
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


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The n texts of a request: those that can be scored, and the errors of the others.

    Attributes:
        texts, places: the normalised texts, and the index of each in the caller's list.
        errors: messages by the index of the text.
    """

    n: int
    texts: list[str]
    places: list[int]
    errors: Mapping[int, str]


def clean(given: str | list[str], limits: Limits) -> Cleaned:
    """Validate texts and normalise them as in the corpus. In a list, an invalid text only gets its own error.

    Raises:
        FaultError: 413 if there are too many texts, 422 if there are none; for a single text as `clean_one`.
    """
    if isinstance(given, str):
        return Cleaned(1, [clean_one(given, limits, "texts")], [0], {})
    if not given:
        raise FaultError(422, "invalid", "texts: is empty; expected at least one text")
    if len(given) > limits.max_texts:
        raise FaultError(413, "too_many_texts", f"texts: {len(given)} of them; expected at most {limits.max_texts}")
    texts = [_cleaned(text, limits.max_chars) for text in given]
    places = [i for i, text in enumerate(texts) if isinstance(text, str)]
    errors = {i: fault.message for i, fault in enumerate(texts) if isinstance(fault, FaultError)}
    return Cleaned(len(texts), [text for text in texts if isinstance(text, str)], places, errors)


def clean_one(text: str, limits: Limits, place: str) -> str:
    """Validate and normalise a single text.

    Raises:
        FaultError: 413 if it is too long, 422 if it is empty or has control characters or half of a surrogate pair.
    """
    found = _cleaned(text, limits.max_chars)
    if isinstance(found, FaultError):
        raise FaultError(found.status, found.code, f"{place}: {found.message}")
    return found


def _cleaned(text: str, most: int) -> str | FaultError:
    if len(text) > most:
        return FaultError(413, "text_too_long", f"{len(text)} characters; expected at most {most}")
    control = _CONTROL.search(text)
    if control is not None:
        where = f"U+{ord(control[0]):04X} at character {control.start()}"
        return FaultError(422, "invalid", f"has the control character {where}; expected none")
    half = _HALF.search(text)
    if half is not None:
        where = f"U+{ord(half[0]):04X} at character {half.start()}"
        return FaultError(422, "invalid", f"has {where}, half of a surrogate pair; expected Unicode text")
    return normalise_text(text) or FaultError(422, "invalid", "is empty; expected a text")
