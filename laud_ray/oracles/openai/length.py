"""Stop reading a reply that does not end, before it fills the memory."""

from collections.abc import AsyncIterator
from typing import Any

# Bytes of a reply. An answer with reasoning and log-probabilities has some hundred thousand.
LONGEST = 8 << 20


class LongReplyError(ValueError):
    """A reply is longer than LONGEST bytes."""


async def bounded(response: Any) -> None:
    """Bound the decompressed length of a response. The HTTP client calls it before the body is read.

    Args:
        response: of httpx or httpx2, depending on the version of the openai package.
    """
    read = response.aiter_bytes

    async def parts(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        size = 0
        async for part in read(chunk_size):
            size += len(part)
            if size > LONGEST:
                raise LongReplyError(f"the answer is longer than {LONGEST:,} bytes")
            yield part

    response.aiter_bytes = parts
