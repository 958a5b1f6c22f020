"""How deep a request is answered in a taxonomy: at the leaf, down to a level, or as deep as a promise allows."""

from dataclasses import dataclass, field
from threading import Lock

from laud_ray.errors import RunError
from laud_ray.evaluation.promise import Evaluated
from laud_ray.stats.hierarchy import LEAF, Depth, Promise
from laud_ray.taxonomy import Taxonomy
from serve.schemas import FaultError

# Promises of one model that are kept. Each takes a fraction of a second to make.
MOST_PROMISES = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """How deep to answer, and the promise that this keeps; None without one."""

    depth: Depth
    promise: Promise | None = None


@dataclass(slots=True)
class Depths:
    """The promises about one model. Each is made at the first request for its accuracy, from the evaluation sample.

    Attributes:
        name: of the model.
        taxonomy: whose leaves the labels are; None for other tasks.
        evaluated: the model's predictions for the evaluation sample; None without a run, or without its scores.
        accuracy: promised for requests that state neither accuracy nor level; None: these are answered at the leaf.
        seed: of the run.
    """

    name: str
    taxonomy: Taxonomy | None
    evaluated: Evaluated | None = None
    accuracy: float | None = None
    seed: int = 0
    _made: dict[float, Promise] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    def ready(self, accuracy: float | None, level: int | None) -> bool:
        """Whether `of` returns at once."""
        wanted = self._wanted(accuracy, level)
        return wanted is None or self.taxonomy is None or wanted in self._made

    def of(self, accuracy: float | None, level: int | None) -> Asked:
        """Return how deep to answer a request. Blocks while a promise is made.

        Raises:
            FaultError: 422 if the labels are no taxonomy, the level is none of it, or nothing is known to verify on.
        """
        if self.taxonomy is None:
            for key, value in (("accuracy", accuracy), ("level", level)):
                if value is not None:
                    raise _invalid(
                        f"{key}: is not valid, because the labels of {self.name} are no taxonomy; expected none"
                    )
            return Asked(LEAF)
        if level is not None and level > self.taxonomy.levels:
            raise _invalid(
                f"level: {level} is not valid; expected at most {self.taxonomy.levels}, the taxonomy's levels"
            )
        wanted = self._wanted(accuracy, level)
        if wanted is None:
            return Asked(LEAF if level is None else Depth(level=level))
        promise = self._promise(wanted)
        return Asked(Depth(promise.thresholds), promise)

    def _wanted(self, accuracy: float | None, level: int | None) -> float | None:
        """Return the accuracy to promise; that of the configuration only if there is something to verify it on."""
        return accuracy if accuracy is not None or level is not None or self.evaluated is None else self.accuracy

    def _promise(self, accuracy: float) -> Promise:
        with self._turn:
            if accuracy not in self._made:
                if self.evaluated is None:
                    raise _invalid(
                        f"accuracy: {self.name} has no evaluation sample that a promise could be verified on; expected "
                        "level, or neither"
                    )
                try:
                    made = self.evaluated.promise(accuracy, seed=self.seed)
                except RunError as error:
                    raise _invalid(str(error)) from None
                if len(self._made) >= MOST_PROMISES:
                    del self._made[next(iter(self._made))]
                self._made[accuracy] = made
            return self._made[accuracy]


def _invalid(message: str) -> FaultError:
    return FaultError(422, "invalid", message)
