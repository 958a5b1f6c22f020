"""A cascade: a small student answers rows on which it is confident, and its teacher, the full model, answers the rest.

The threshold of confidence is fitted on one random sample of the rows and verified on another. Rows that the teacher
answers agree with it by definition, so the agreement over all rows is 1 - (rows that the student answers differently) /
rows. All bounds are one-sided 95 % bounds. n sampled rows, k classes.
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

# The size of the sample, which the teacher has to score: a share of the rows, within bounds. Beyond MOST, more texts
# hardly improve the student.
SHARE, LEAST, MOST = 0.05, 5_000, 100_000
# A cascade is refused below this many texts.
MIN_SAMPLE = 500
# Shares of the sample that train the student and fit the threshold; the rest verifies it.
TRAINS, FITS = 0.6, 0.15


@dataclass(slots=True)
class CascadeScorer:
    """Scores with the student, and with the teacher where the student's confidence is below the threshold.

    Attributes:
        student: the small model.
        teacher: the full model, with the same labels.
        threshold: the least confidence at which the student answers.
        answered: the number of texts that the student has answered so far.
        seen: the number of all texts so far.

    Raises:
        ModelError: if the labels of student and teacher differ.
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
                "expected the same labels in the same order; distil the student again"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        return self.teacher.labels

    @property
    def health(self) -> Mapping[str, float]:
        """The counts that a pass reports."""
        return {"seen": self.seen, "answered_by_student": self.answered}

    def legibility(self, texts: Sequence[str]) -> Legibility:
        """Count the tokens of n texts that are unknown to the teacher, because the student learned only from it."""
        return self.teacher.legibility(texts) if isinstance(self.teacher, LegibleScorer) else Legibility()

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities, float32."""
        return self.answer(texts)[0]

    def probe(self, texts: Sequence[str]) -> Floats:
        """Score with both models, regardless of confidence, to test that both work; return the teacher's result."""
        self.student.score(texts)
        return self.teacher.score(texts)

    def answer(self, texts: Sequence[str]) -> tuple[Floats, Bools]:
        """Return (n, k) probabilities, and (n,) whether the student answered."""
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
    """A student with the result of its verification. It can be saved and used only if the verification passed."""

    student: Student
    verification: Verification

    def save(self, out: str) -> None:
        """Write the student's model folder, with threshold and verification in its model.json.

        Raises:
            ModelError: if the verification did not pass.
        """
        self._require_passed()
        self.student.save(out, {"cascade": asdict(self.verification)})

    def over(self, teacher: Scorer) -> CascadeScorer:
        """Return the scorer that replaces the teacher.

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
            ModelError: if the folder is broken, or holds a student without a verified threshold.
        """
        _, found = describe(folder)
        try:
            verification = Verification(**found["cascade"])
        except (KeyError, TypeError) as error:
            raise ModelError(
                f"{folder}/model.json: the key `cascade` is not valid ({error!r}); expected a verified threshold"
            ) from None
        return Cascade(Student.open(folder), verification)


@dataclass(frozen=True, slots=True)
class Loader:
    """Opens a model together with a saved cascade; serializable, and so usable as the argument `load` of `run_pass`.

    Attributes:
        cascade: the folder of the saved cascade.
        version: changes if the cascade in the folder is replaced, so that workers open it again.
    """

    cascade: Folder
    version: str | None

    def __call__(self, model: str) -> CascadeScorer:
        from laud_ray.models import kinds  # the import takes seconds, and only a worker that opens a model needs it

        folder = self.cascade.fetch("models")
        return Cascade.open(str(folder)).over(kinds.load(model))


def sample_size(rows: int) -> int:
    """Return how many rows of a catalog to sample for a cascade: 5 %, at least 5,000 and at most 100,000."""
    return min(rows, max(LEAST, min(MOST, round(SHARE * rows))))


def build(
    teacher: Scorer, texts: Sequence[str], *, agreement: float = AGREEMENT, seed: int, recipe: Recipe = RECIPE
) -> Cascade:
    """Score a random sample of a catalog's rows with the teacher, and build a cascade from it; see `prepare`."""
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
    """Distil a student, fit its threshold and verify it, each on disjoint rows of the sample.

    Args:
        labels: the k labels of the teacher.
        texts: n >= 500 rows of the catalog, a simple random sample.
        taught: (n, k) the teacher's probabilities of them.
        agreement: the share of all rows, in (0, 1), that must get the teacher's label.
        seed: seeds the split and the training.
        recipe: how the student is trained.

    Raises:
        ModelError: if there are fewer than 500 rows.
    """
    n = len(texts)
    if n < MIN_SAMPLE:
        raise ModelError(
            f"cascade: the sample has {n} texts; expected at least {MIN_SAMPLE}; use the full model without a cascade"
        )
    order = np.random.default_rng(seed).permutation(n)
    trains, fits, verifies = np.split(order, [round(TRAINS * n), round((TRAINS + FITS) * n)])
    student = distil(labels, [texts[i] for i in trains], taught[trains], seed=seed, recipe=recipe)
    answers = taught.argmax(axis=1)
    fitted = fit_threshold(
        student.score([texts[i] for i in fits]), answers[fits], agreement=agreement, verified_on=len(verifies)
    )
    proba = student.score([texts[i] for i in verifies])
    return Cascade(student, verify_or_raise(proba, answers[verifies], fitted, agreement=agreement))
