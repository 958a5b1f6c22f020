"""How much of the corpus the encoder of each round reads: where that is kept."""

from laud_ray.stats.legibility import Legibility, load
from laud_ray.store.store import Store

_KEY = "legibility of round {}"


def add(store: Store, round: int, found: Legibility) -> str | None:
    """Add what an attempt at a pass counted to what earlier ones did.

    Returns:
        What a person should know of it, unless the round before showed the same.
    """
    whole = found + (kept(store, round) or Legibility())
    if found.texts:
        store.set(_KEY.format(round), whole.dump())
    before = kept(store, round - 1)
    return None if before is not None and before.poor else whole.remark()


def kept(store: Store, round: int) -> Legibility | None:
    """What was counted while a round's model scored; None where its tokenizer knows everything."""
    found = store.setting(_KEY.format(round))
    return None if found is None else load(found)


def last(store: Store, round: int) -> Legibility | None:
    """What was counted for a round, or for the last one before it."""
    return next((found for number in range(round, -1, -1) if (found := kept(store, number)) is not None), None)
