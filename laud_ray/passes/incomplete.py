"""Find the ranges that a finished pass has lost, and drop what is left of them."""

from laud_ray.data.corpus import Corpus
from laud_ray.passes.shortlists import SHORTLIST
from laud_ray.storage.folder import Folder


def drop_incomplete(corpus: Corpus, scores: Folder) -> list[str]:
    """Return the ranges without scores or without a shortlist.

    Scores without their shortlist are deleted, since they alone would mark the range as done.
    """
    whole = scores.names() & (scores / SHORTLIST).names()
    lost = [part.name for part in corpus.ranges if part.name not in whole]
    for name in lost:
        scores.delete(name)
    return lost
