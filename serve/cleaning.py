"""Validate the texts of a request, and normalise them as in the corpus."""

from collections.abc import Mapping
from dataclasses import dataclass

from laud_ray.texts import normalise_text
from serve.arguments import Limits
from serve.schemas import CONTROL, HALF, FaultError


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

    def part(self, start: int, stop: int) -> "Cleaned":
        """Return those from index `start` to before `stop`."""
        if (start, stop) == (0, self.n):
            return self
        kept = [(text, i - start) for text, i in zip(self.texts, self.places, strict=True) if start <= i < stop]
        errors = {i - start: error for i, error in self.errors.items() if start <= i < stop}
        return Cleaned(stop - start, [text for text, _ in kept], [i for _, i in kept], errors)


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
    control = CONTROL.search(text)
    if control is not None:
        where = f"U+{ord(control[0]):04X} at character {control.start()}"
        return FaultError(422, "invalid", f"has the control character {where}; expected none")
    half = HALF.search(text)
    if half is not None:
        where = f"U+{ord(half[0]):04X} at character {half.start()}"
        return FaultError(422, "invalid", f"has {where}, half of a surrogate pair; expected Unicode text")
    return normalise_text(text) or FaultError(422, "invalid", "is empty; expected a text")
