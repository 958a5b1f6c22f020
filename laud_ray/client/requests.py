"""What the client sends: the options of a request, and the lists of texts that fit into one."""

import operator
from collections.abc import Iterator, Sequence

from laud_ray.client.connection import encoded
from laud_ray.errors import ServiceError, UserError

MOST_BYTES = 3 * 2**20  # the texts of one request; the service accepts bodies of 4 MiB


def options_of(
    top_k: int | None, threshold: float | None, accuracy: float | None, level: int | None
) -> dict[str, object]:
    """Return the options of a request, without those that are not given.

    Raises:
        UserError: if one is invalid.
    """
    options: dict[str, object] = {}
    if top_k is not None:
        options["top_k"] = operator.index(top_k)
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise UserError(f"threshold: {threshold} is not valid; expected 0 to 1")
        options["threshold"] = float(threshold)
    if accuracy is not None and level is not None:
        raise UserError(f"accuracy: {accuracy} is not valid together with level; expected one of them")
    if accuracy is not None:
        if not 0 < accuracy < 1:
            raise UserError(f"accuracy: {accuracy} is not valid; expected a share above 0 and below 1")
        options["accuracy"] = float(accuracy)
    if level is not None:
        if operator.index(level) < 1:
            raise UserError(f"level: {level} is not valid; expected 1 or more")
        options["level"] = operator.index(level)
    return options


def cut(texts: Sequence[str], most: int) -> Iterator[tuple[int, list[str]]]:
    """Split a list into batches that fit into a request; yield each with the index of its first text.

    A text that is too long for any request is a batch of its own, and the error of the service names the limit.
    """
    start, size = 0, 0
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"texts[{i}]: {text!r} is not valid; expected a string")
        length = len(encoded(text, f"texts[{i}]")) + len(", ")
        if i > start and (i - start == most or size + length > MOST_BYTES):
            yield start, list(texts[start:i])
            start, size = i, 0
        size += length
    if texts:
        yield start, list(texts[start:])


def placed(error: ServiceError, start: int, texts: int) -> ServiceError:
    """Add the part of the list to an error that is about its texts."""
    if error.status not in (413, 422):
        return error
    line = f"{error}; in the request with texts[{start}:{start + texts}]"
    return ServiceError(line, status=error.status, code=error.code, request_id=error.request_id)
