"""Detect the encoding of a file from its first bytes, and convert it to UTF-8 as a stream."""

import codecs
import re
from collections.abc import Callable
from typing import Protocol

from laud_ray.printable import quoted

UTF8 = "utf-8"
# Bytes at the beginning of a file from which its encoding and dialect are detected.
HEAD = 1 << 18
# Longer marks come first, because the mark of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH = bytes(range(128, 256))
# The characters outside of ASCII that texts in these encodings mostly consist of.
_USUAL = {
    "cp1252": "[À-ÿ€‚„…‘’“”•–—™ŠšŽžŒœ°²³´µ·º»«¼½¾®©§£¥]",
    "cp1251": "[А-яЁё№«»—]",
    "shift_jis": "[ぁ-んァ-ヶー一-龯、。々ｦ-ﾟ]",
    "gb18030": "[一-龥，。：；（）]",
    "euc_kr": "[가-힣]",
    "big5": "[一-龥，。]",
}


class Stream(Protocol):
    def read(self, n: int, /) -> bytes: ...


def marked(head: bytes) -> str | None:
    """Return the encoding of a byte order mark; None if there is none."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def detect(head: bytes) -> str:
    """Return the Unicode encoding of a file from its first bytes: by a mark, by zero bytes, or else UTF-8."""
    return marked(head) or _by_zeros(head) or UTF8


def _by_zeros(head: bytes) -> str | None:
    """Detect UTF-16 or UTF-32 without a mark: ASCII characters in them have zero bytes at fixed offsets."""
    # Only the first line, with the names of columns, is used, because later texts may hold zeros.
    line = head[: head.find(b"\n") + 4] if b"\n" in head else head[:1024]
    head = line[: len(line) // 4 * 4]
    zeros = head.count(0)
    if zeros < len(head) / 4:
        return None
    at = [head[place::4].count(0) for place in range(4)]
    for name, places in (
        ("utf-32-le", (1, 2, 3)),
        ("utf-32-be", (0, 1, 2)),
        ("utf-16-le", (1, 3)),
        ("utf-16-be", (0, 2)),
    ):
        found = [at[place] for place in places]
        if sum(found) >= 0.98 * zeros and min(found) >= 0.2 * max(found):
            return name
    return None


def fits(head: bytes, name: str, *, final: bool) -> bool:
    """Whether the first bytes of a file are valid in an encoding; `final` if they are the whole file."""
    try:
        codecs.getincrementaldecoder(name)("strict").decode(head, final)
    except UnicodeDecodeError:
        return False
    return True


def looks_like(data: bytes) -> str | None:
    """Guess the encoding of bytes that are not UTF-8, from the characters that are usual in it; None if unsure."""
    # charset-normalizer is made for longer texts: of 35 samples of one to three product names it finds 13, this 31.
    runs = re.findall(rb"[A-Za-z]?[\x80-\xff]+[A-Za-z]?", data)
    # ASCII letters next to other bytes mean Latin script; words of other scripts contain no ASCII letters.
    latin = 2 * sum(run.strip(_HIGH) != b"" for run in runs) >= len(runs)
    names = sorted(_USUAL, key=lambda name: (name == "cp1252") != latin)
    shares = {name: _usual(data, name) for name in names}
    best = max(names, key=lambda name: shares[name])
    return best if shares[best] >= 0.8 else None


def suggestion(sample: bytes, stated: str = "encoding: {}") -> str:
    """Return a hint which encoding some bytes may have, with the text that they would give; "" if there is no guess.

    Args:
        sample: bytes that are not UTF-8.
        stated: how the user can state the encoding; {} is replaced by its name.
    """
    guess = looks_like(sample)
    if guess is None:
        return ""
    text = quoted(sample.decode(guess, "replace").strip(), 30)
    return f"; as {guess} they would read {text}: if that is right, state `{stated.replace('{}', guess)}`"


def _usual(data: bytes, name: str) -> float:
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        return 0.0
    high = [one for one in text if ord(one) >= 128]
    return sum(1 for one in high if re.match(_USUAL[name], one)) / len(high) if high else 0.0


class Recoded:
    """Converts a stream of bytes to UTF-8 without a byte order mark.

    Bytes that are invalid in the encoding become bytes that are invalid in UTF-8, so that only their cell is an error.
    """

    def __init__(self, stream: Stream, name: str) -> None:
        wide = name.startswith(("utf-16", "utf-32"))
        self._errors = "surrogatepass" if wide else "surrogateescape"
        self._stream = stream
        self._decoder = None if name == UTF8 else codecs.getincrementaldecoder(name)(self._errors)
        self._began = False

    def read(self, n: int) -> bytes:
        """Read about n bytes; b"" at the end.

        Raises:
            UnicodeDecodeError: if the following bytes cannot be decoded.
        """
        while True:
            data = self._stream.read(n)
            found = self._recode(data)
            if found and not self._began:
                self._began = True
                found = found.removeprefix(codecs.BOM_UTF8)
            if found or not data:
                return found

    def _recode(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data
        return self._decoder.decode(data, not data).encode(UTF8, self._errors)


class Peeked:
    """A stream whose first bytes have already been read."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        self._head, self._read = head, read

    def read(self, n: int) -> bytes:
        head, self._head = self._head[:n], self._head[n:]
        return head or self._read(n)


def peek(stream: Stream, n: int) -> bytes:
    """Read at least n bytes, or up to the end. The result may be longer, as a stream may return more than requested."""
    parts, left = [], n
    while left > 0 and (part := stream.read(left)):
        parts.append(bytes(part))
        left -= len(part)
    return b"".join(parts)
