"""What goes over the wire, and what is wrong with it when it is refused."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from laud_ray.texts import normalise_text
from serve.arguments import Limits

# Control characters other than white space: no name has them, and logs and terminals obey them.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_RETRY = {429: 1, 503: 2}


class FaultError(Exception):
    """A request that is not answered: its status, a code that programs read, and one line that people read."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after = _RETRY.get(status) if retry_after is None else retry_after


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ClassifyRequest(_Wire):
    texts: str | list[str] = Field(examples=[["choc milk 1l", "gala apples"]])
    top_k: int = Field(3, ge=1, description="How many labels to list for each text; at most all there are.")
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Confidence below this is marked as abstained; by default the service's own."
    )


class Scored(_Wire):
    label: str = Field(examples=["Milk"])
    confidence: float = Field(examples=[0.93])


class Result(Scored):
    """`label` is the likeliest also where the answer is `abstained`."""

    abstained: bool
    top: list[Scored]


class ModelName(_Wire):
    name: str = Field(examples=["round-0003"])
    version: str = Field(examples=["9f1c2ab34d5e"], description="The start of the model's checksum.")


class ClassifyResponse(_Wire):
    model: ModelName
    results: list[Result]


class FeedbackRequest(_Wire):
    """The label that a text should have had, or only that the one it got is wrong."""

    text: str = Field(examples=["choc milk 1l"])
    label: str | None = Field(None, examples=["Milk"])
    wrong: Literal[True] | None = None
    predicted: str | None = None
    model: str | None = None
    who: str = Field("anonymous", min_length=1, max_length=200)

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackRequest":
        if (self.label is None) == (self.wrong is None):
            raise ValueError("expected either label or wrong: true")
        return self


class FeedbackResponse(_Wire):
    stored: bool
    id: str


class ErrorBody(_Wire):
    code: str
    message: str
    request_id: str


class ErrorResponse(_Wire):
    error: ErrorBody


Request = TypeVar("Request", bound=_Wire)


def parse(kind: type[Request], body: bytes) -> Request:
    """Read a request.

    Raises:
        FaultError: 422 with the place, what stands there and what was expected.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise FaultError(422, "invalid", _first(error)) from None


def _first(error: ValidationError) -> str:
    """Say the mistake that is worth saying: of a union's the one of the likelier branch."""
    found = error.errors(include_url=False, include_context=False)
    # texts is a string or a list: what is wrong within the list says more than that it is no string.
    one: Any = max(found, key=lambda e: (len(e["loc"]), e["type"] == "list_type"))
    place = ".".join(str(part) for part in one["loc"] if part not in ("str", "list[str]"))
    message = one["msg"].removeprefix("Value error, ")
    value = "" if one["type"] in ("missing", "json_invalid", "value_error") else f"; got {_short(one['input'])}"
    return f"{place or 'body'}: {message}{value}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def clean(given: str | Sequence[str], limits: Limits) -> list[str]:
    """Check texts and normalise them as the corpus does.

    Raises:
        FaultError: 413 where there is too much, 422 where nothing is left to classify.
    """
    texts = [given] if isinstance(given, str) else given
    if not texts:
        raise FaultError(422, "invalid", "texts: is empty; expected at least one text")
    if len(texts) > limits.max_texts:
        raise FaultError(413, "too_many_texts", f"texts: {len(texts)} of them; expected at most {limits.max_texts}")
    return [_clean(text, i, limits.max_chars) for i, text in enumerate(texts)]


def _clean(text: str, i: int, most: int) -> str:
    if len(text) > most:
        raise FaultError(413, "text_too_long", f"texts.{i}: {len(text)} characters; expected at most {most}")
    control = _CONTROL.search(text)
    if control is not None:
        where = f"U+{ord(control[0]):04X} at character {control.start()}"
        raise FaultError(422, "invalid", f"texts.{i}: has the control character {where}; expected none")
    cleaned = normalise_text(text)
    if not cleaned:
        raise FaultError(422, "invalid", f"texts.{i}: is empty; expected a text")
    return cleaned
