"""What is done to every text, and to every label's name, before anything looks at it."""

import re
import unicodedata

# Characters that nobody sees and that bear no meaning of their own: soft hyphens, direction marks, zero-width spaces,
# byte order marks. The joiners U+200C and U+200D stay: emoji, Persian and Indic words are written with them.
_UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")


def normalise_text(text: str) -> str:
    """Unicode NFC without unseen characters; every run of white space is one space, and none is at the ends.

    For example "\\ufeffCre\\u0301me \\u00a0fraiche\\n" becomes "Cr\\u00e9me fraiche".
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", _UNSEEN.sub("", text))
    return " ".join(text.split())


def cut(text: str, max_chars: int) -> str:
    """The first max_chars characters of a normalised text, normalised again."""
    return text if len(text) <= max_chars else text[:max_chars].rstrip()
