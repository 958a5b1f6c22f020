"""Which options fit the task, and how deep a taxonomy's rows are answered: at the leaf, at a level, or as promised."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from laud_ray.errors import RunError
from laud_ray.relabel.plan import Options, Plan
from laud_ray.relabel.rule import require_fit
from laud_ray.relabel.source import Source

if TYPE_CHECKING:
    from laud_ray.stats.hierarchy import Depth


def require_one_label(source: Source, options: Options) -> None:
    """Refuse options that need one label a row, if the labels of a multilabel model are sets.

    Raises:
        RunError: if there is such an option.
    """
    if source.rules is None:
        return
    if options.cascade is not None:
        raise RunError(
            f"--cascade: is not valid, because {source.name} gives each row a list of labels, which a student does not "
            "learn; expected no --cascade"
        )
    if options.partition == "label":
        raise RunError(
            f"--partition label: is not valid, because {source.name} gives each row a list of labels; expected a "
            "column of --keep"
        )


def settle(source: Source, options: Options) -> Options:
    """Check the options; return them with the accuracy that the run promises, where neither it nor a level is stated.

    Raises:
        RunError: if they do not fit each other or the model.
    """
    if options.rule is not None:
        require_fit(options.rule, source)
        if options.cascade is not None:
            raise RunError("--cascade: is not valid with --rule, which is about the full model; expected no --cascade")
    tree, stated = source.taxonomy, {"--accuracy": options.accuracy, "--level": options.level}
    given = [name for name, value in stated.items() if value is not None]
    if tree is None:
        if given:
            raise RunError(
                f"{given[0]}: is not valid, because the labels of {source.name} are no taxonomy; expected none"
            )
        return options
    if len(given) > 1:
        raise RunError("--accuracy: is not valid together with --level; expected one of them")
    if options.level is not None and not 1 <= options.level <= tree.levels:
        raise RunError(
            f"--level {options.level}: is not valid; expected 1 to {tree.levels}, the levels of the taxonomy"
        )
    if not given and source.accuracy is not None:
        options = replace(options, accuracy=source.accuracy)
    if options.accuracy is None:
        return options
    if not 0 < options.accuracy < 1:
        raise RunError(
            f"--accuracy {options.accuracy:g}: is not valid; expected a share above 0 and below 1, such as 0.9"
        )
    if options.cascade is not None:
        raise RunError(
            f"--cascade: is not valid with a promised accuracy of {options.accuracy:g}, which is verified for the full "
            "model only; expected --level, or no --cascade"
        )
    return options


def promised(source: Source, options: Options) -> Callable[[], dict[str, Any] | None]:
    """Return a function that makes the promise of a new relabel, as JSON; it gives None if nothing is promised.

    Raises (when called):
        RunError: if the model has no evaluation sample, or nothing can be promised.
    """

    def make() -> dict[str, Any] | None:
        if options.accuracy is None:
            return None
        if source.promise is None:
            raise RunError(
                f"--accuracy {options.accuracy:g}: {source.run} is the folder of a model, without an evaluation sample "
                f"to verify it on; expected a run, or --level"
            )
        found = source.promise(options.accuracy)
        if not found["verified"]:
            raise RunError(
                f"--accuracy {options.accuracy:g}: {found['text']}; expected a lower accuracy, more answers for "
                "evaluation, or --level"
            )
        return found

    return make


def depth_of(plan: Plan) -> "Depth":
    """Return how deep a plan answers: with the thresholds that were recorded when it was made."""
    from laud_ray.stats.hierarchy import Depth  # with SciPy, which a complete output does without

    if plan.promise is None:
        return Depth(level=plan.options.level)
    from laud_ray.evaluation.promise import thresholds_in  # with the store, which the folder of a model does without

    return Depth(thresholds_in(plan.promise))
