"""What is done to every text before anything looks at it."""

import unicodedata


def normalise_text(text: str) -> str:
    """Unicode NFC with every run of white space as one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def cut(text: str, max_chars: int) -> str:
    """The first max_chars characters of a normalised text, normalised again."""
    return text if len(text) <= max_chars else text[:max_chars].rstrip()
