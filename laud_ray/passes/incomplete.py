"""Find ranges of a finished pass whose files are missing, so that they are scored again."""

from laud_ray.data.corpus import Corpus
from laud_ray.passes.shortlists import SHORTLIST
from laud_ray.storage.folder import Folder


def drop_incomplete(corpus: Corpus, scores: Folder) -> list[str]:
    """Return the names of ranges without scores or without a shortlist.

    Scores without a shortlist are deleted, because a range with scores counts as done.
    """
    whole = scores.names() & (scores / SHORTLIST).names()
    lost = [part.name for part in corpus.ranges if part.name not in whole]
    for name in lost:
        scores.delete(name)
    return lost
