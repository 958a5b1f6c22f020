"""Options that several commands share."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

if TYPE_CHECKING:
    from laud_ray.storage.text_reading import Reading

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Share(click.ParamType[float]):
    """A share of a whole, such as 5% or 0.05, which are the same number.

    Args:
        zero: whether it may be 0.
        whole: whether it may be 1.
    """

    name = "share"

    def __init__(self, *, zero: bool = False, whole: bool = True) -> None:
        least, most = "of at least 0" if zero else "above 0", "up to 1" if whole else "below 1"
        self._zero, self._whole, self._range = zero, whole, f"{least} and {most}"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            # In binary, 99.1 / 100 is not 0.991, and a relabel would not be resumed with the other spelling.
            share = float(Decimal(text.removesuffix("%")).scaleb(-2 if text.endswith("%") else 0))
        except InvalidOperation:
            share = -1.0
        if not (0 < share < 1 or (share == 0 and self._zero) or (share == 1 and self._whole)):
            self.fail(f"{text!r} is not valid; expected a share {self._range}, such as 5% or 0.05", param, ctx)
        return share


SHARE = Share()


class Duration(click.ParamType[float]):
    """A duration in minutes, hours or days, such as 30m, 1h or 1d; the value is in seconds."""

    name = "duration"
    _SECONDS: ClassVar = {"m": 60, "h": 3600, "d": 86_400}

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        number, unit = text[:-1], text[-1:]
        if not (number.isdecimal() and number.isascii() and int(number) and unit in self._SECONDS):
            self.fail(f"{text!r} is not valid; expected a duration such as 30m, 1h or 1d", param, ctx)
        return float(int(number) * self._SECONDS[unit])


DURATION = Duration()


class Ratio(click.ParamType[tuple[float, float]]):
    """A ratio of two positive numbers, such as 1:1 or 9:1."""

    name = "ratio"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        text = str(value).strip()
        try:
            one, other = map(Decimal, text.split(":"))
        except (InvalidOperation, ValueError):
            one = other = Decimal(0)
        if not (one.is_finite() and other.is_finite() and 0 < one <= _LARGEST and 0 < other <= _LARGEST):
            self.fail(f"{text!r} is not valid; expected two positive numbers, such as 1:1 or 9:1", param, ctx)
        return float(one), float(other)


_LARGEST = 1_000_000
RATIO = Ratio()


def reading_options(command: Decorated) -> Decorated:
    """Add --delimiter, --quote and --encoding to a command."""
    for name, text in (
        ("--encoding", "The encoding of text files, such as cp1252."),
        ("--quote", "The quotes of text files: none, or '\"' (doubled within a quoted cell), or '\\\"'."),
        ("--delimiter", "The delimiter of text files: one character, or comma, semicolon, tab, pipe."),
    ):
        command = click.option(name, help=f"{text} By default it is detected.")(command)
    return command


def reading_of(
    delimiter: str | None, quote: str | None, encoding: str | None, default: "Reading | None" = None
) -> "Reading":
    """Return the format that these options state; without any of them the default, for the files that it fits.

    Raises:
        click.BadParameter: if a value is invalid.
    """
    from laud_ray.storage import text_reading

    made: dict[str, str | None] = {}
    for key, value in (("delimiter", delimiter), ("quote", quote), ("encoding", encoding)):
        try:
            made[key] = None if value is None else getattr(text_reading, key)(value)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=f"--{key}") from None
    found = text_reading.Reading(made["delimiter"], made["quote"], made["encoding"])
    return found if found.stated or default is None else default.as_default()


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
