"""The texts of one request while they are scored in batches. n texts, k classes."""

import asyncio
from collections.abc import Sequence

import numpy as np

from laud_ray.types import TokenScorer
from serve.scoring import Scores, tokenize_apart


class Job:
    """The texts of one request, and the future of their scores.

    Attributes:
        failures: reasons for texts without probabilities, by their index in the request.
        given: the index of the next text to score.
        done: the number of texts with probabilities or a reason.
        trial: whether this is the trial of a new model, without a caller.
    """

    def __init__(
        self, scorer: TokenScorer, texts: Sequence[str], future: "asyncio.Future[Scores]", *, trial: bool = False
    ) -> None:
        self.scorer, self.texts, self.future, self.trial = scorer, texts, future, trial
        self.ids: list[list[int]] = []
        self.proba = np.zeros((len(texts), len(scorer.labels)), np.float32)
        self.failures: dict[int, str] = {}
        self.given = self.done = 0

    @property
    def live(self) -> bool:
        """Whether the caller still waits for the result."""
        return not self.future.done()

    def skip(self) -> None:
        """Go to the next text that can be scored."""
        self.given += 1
        while self.given in self.failures:
            self.given += 1


def tokenize(jobs: Sequence[Job]) -> None:
    """Tokenize the texts of jobs with the same scorer; set their token ids and failures."""
    ids, failures = tokenize_apart(jobs[0].scorer, [text for job in jobs for text in job.texts])
    start = 0
    for job in jobs:
        end = start + len(job.texts)
        job.ids = ids[start:end]
        job.failures = {i - start: reason for i, reason in failures.items() if start <= i < end}
        job.given = -1
        job.skip()
        start = end
