"""A cascade: a student answers where it is sure enough, its teacher the rest.

How sure is enough is fitted on one random sample of the rows and verified on another. A row that the teacher answers
agrees with the teacher, so over all rows agreement is 1 - (rows the student answers differently) / rows. Every bound
is one-sided, at 95 %. n sampled rows, k classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from laud_ray.errors import ModelError
from laud_ray.models.student.model import RECIPE, Recipe, Student, distil
from laud_ray.models.student.threshold import AGREEMENT, Verification, fit_threshold, verify_or_raise
from laud_ray.stats.legibility import Legibility, LegibleScorer
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import describe
from laud_ray.types import Bools, Floats, Scorer

# The teacher answers the sample too: a twentieth of the rows, but no more than the student still learns from.
SHARE, LEAST, MOST = 0.05, 5_000, 100_000
MIN_SAMPLE = 500
# Shares of the sample that train the student, fit the threshold, and verify it.
TRAINS, FITS = 0.6, 0.15


@dataclass(slots=True)
class CascadeScorer:
    """Scores with the student, and with the teacher where the student's confidence is under the threshold.

    Attributes:
        answered: texts that the student has answered so far, of `seen`.
    """

    student: Student
    teacher: Scorer
    threshold: float
    answered: int = 0
    seen: int = 0
    _counting: Any = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        if self.student.labels != self.teacher.labels:
            raise ModelError(
                f"the student's {len(self.student.labels)} labels are not the model's {len(self.teacher.labels)}; "
                "expected the same in the same order: distil it anew"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        return self.teacher.labels

    @property
    def health(self) -> Mapping[str, float]:
        """What a pass reports of it."""
        return {"seen": self.seen, "answered_by_student": self.answered}

    def legibility(self, texts: Sequence[str]) -> Legibility:
        """Count what of n texts the teacher does not know: what it does not read, it did not teach."""
        return self.teacher.legibility(texts) if isinstance(self.teacher, LegibleScorer) else Legibility()

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities, float32."""
        return self.answer(texts)[0]

    def probe(self, texts: Sequence[str]) -> Floats:
        """Score with both, whatever the student's confidence: it shows whether both still can."""
        self.student.score(texts)
        return self.teacher.score(texts)

    def answer(self, texts: Sequence[str]) -> tuple[Floats, Bools]:
        """Return (n, k) probabilities, and (n,) whether they are the student's."""
        proba = self.student.score(texts)
        sure = proba.max(axis=1) >= np.float32(self.threshold)
        rest = np.flatnonzero(~sure)
        if len(rest):
            proba[rest] = self.teacher.score([texts[i] for i in rest])
        with self._counting:
            self.seen += len(texts)
            self.answered += int(sure.sum())
        return proba, sure


@dataclass(frozen=True, slots=True)
class Cascade:
    """A student and what was found out about it. Only one whose verification passed can be saved or used."""

    student: Student
    verification: Verification

    def save(self, out: str) -> None:
        """Write the student's model folder, its threshold and verification in the description.

        Raises:
            ModelError: if the verification did not pass.
        """
        self._require_passed()
        self.student.save(out, {"cascade": asdict(self.verification)})

    def over(self, teacher: Scorer) -> CascadeScorer:
        """The scorer to use in place of the teacher.

        Raises:
            ModelError: if the verification did not pass, or the teacher has other labels.
        """
        self._require_passed()
        return CascadeScorer(self.student, teacher, self.verification.threshold)

    def _require_passed(self) -> None:
        if not self.verification.passed:
            raise ModelError(f"no cascade: {self.verification}")

    @staticmethod
    def open(folder: str) -> "Cascade":
        """Open a saved cascade.

        Raises:
            ModelError: if it is broken, or a student without a verified threshold.
        """
        _, found = describe(folder)
        try:
            verification = Verification(**found["cascade"])
        except (KeyError, TypeError) as error:
            raise ModelError(f"{folder}: is no student with a verified threshold: {error!r}") from None
        return Cascade(Student.open(folder), verification)


@dataclass(frozen=True, slots=True)
class Loader:
    """Opens a model under a saved cascade: what `run_pass` takes as `load`, and can be sent to workers.

    Its version makes a worker open a cascade anew that was made anew in the same place.
    """

    cascade: Folder
    version: str | None

    def __call__(self, model: str) -> CascadeScorer:
        from laud_ray.models import kinds  # takes seconds, which only a worker that opens one pays

        folder = self.cascade.fetch("models")
        return Cascade.open(str(folder)).over(kinds.load(model))


def sample_size(rows: int) -> int:
    """How many of a catalog's rows to draw for a cascade: 5 %, at least 5,000 and at most 100,000 of them."""
    return min(rows, max(LEAST, min(MOST, round(SHARE * rows))))


def build(
    teacher: Scorer, texts: Sequence[str], *, agreement: float = AGREEMENT, seed: int, recipe: Recipe = RECIPE
) -> Cascade:
    """Score a random sample of a catalog's rows with the teacher, and make a cascade of it."""
    return prepare(teacher.labels, texts, teacher.score(texts), agreement=agreement, seed=seed, recipe=recipe)


def prepare(
    labels: Sequence[str],
    texts: Sequence[str],
    taught: Floats,
    *,
    agreement: float = AGREEMENT,
    seed: int,
    recipe: Recipe = RECIPE,
) -> Cascade:
    """Distil a student, fit its threshold and verify it, each on rows of its own.

    Args:
        texts: n >= 500 rows of the catalog, drawn at random, each row as likely as any other.
        taught: (n, k) the teacher's probabilities of them.

    Raises:
        ModelError: if there are fewer rows.
    """
    n = len(texts)
    if n < MIN_SAMPLE:
        raise ModelError(f"a cascade needs a sample of at least {MIN_SAMPLE} texts, got {n}: use the full model")
    order = np.random.default_rng(seed).permutation(n)
    trains, fits, verifies = np.split(order, [round(TRAINS * n), round((TRAINS + FITS) * n)])
    student = distil(labels, [texts[i] for i in trains], taught[trains], seed=seed, recipe=recipe)
    answers = taught.argmax(axis=1)
    fitted = fit_threshold(
        student.score([texts[i] for i in fits]), answers[fits], agreement=agreement, verified_on=len(verifies)
    )
    proba = student.score([texts[i] for i in verifies])
    return Cascade(student, verify_or_raise(proba, answers[verifies], fitted, agreement=agreement))
