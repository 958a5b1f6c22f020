"""Normalisation of texts and label names."""

import re
import unicodedata

# Invisible characters without a meaning of their own: soft hyphens, direction marks, zero-width spaces and byte order
# marks. The joiners U+200C and U+200D are kept, because emoji and Persian and Indic words need them.
_UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")


def normalise_text(text: str) -> str:
    """Return a text in Unicode NFC, without invisible characters, and with single spaces instead of white space.

    White space at the ends is removed. For example "\\ufeffCre\\u0301me \\u00a0fraiche\\n" becomes
    "Cr\\u00e9me fraiche".
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", _UNSEEN.sub("", text))
    return " ".join(text.split())


def cut(text: str, max_chars: int) -> str:
    """Return the first max_chars characters of a normalised text, without white space at the end."""
    return text if len(text) <= max_chars else text[:max_chars].rstrip()
