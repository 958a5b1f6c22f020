"""Record for each round which share of the corpus the tokenizer of its encoder covers."""

from laud_ray.stats.legibility import Legibility, load
from laud_ray.store.store import Store

_KEY = "legibility of round {}"


def add(store: Store, round: int, found: Legibility) -> str | None:
    """Add the counts of an attempt at a pass to those of earlier attempts.

    Returns:
        A note for the user if the coverage is poor, unless the round before had the same note.
    """
    whole = found + (recorded(store, round) or Legibility())
    if found.texts:
        store.set(_KEY.format(round), whole.dump())
    before = recorded(store, round - 1)
    return None if before is not None and before.poor else whole.remark()


def recorded(store: Store, round: int) -> Legibility | None:
    """Return the counts of a round's score pass; None if its tokenizer has no unknown tokens."""
    found = store.setting(_KEY.format(round))
    return None if found is None else load(found)


def last(store: Store, round: int) -> Legibility | None:
    """Return the counts of a round, or of the last round before it that has any."""
    return next((found for number in range(round, -1, -1) if (found := recorded(store, number)) is not None), None)
