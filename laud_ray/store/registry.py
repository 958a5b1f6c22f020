"""Find a model of a run, and make one current."""

from dataclasses import dataclass

from laud_ray.config.mistakes import known_names
from laud_ray.errors import ModelError, RunError
from laud_ray.storage.model_folder import describe
from laud_ray.store import model_records
from laud_ray.store.run import RunFolder, look_at


@dataclass(frozen=True, slots=True)
class Promoted:
    """The result of a promotion.

    Attributes:
        old: the model that was current before; None if there was none.
        new: the model that is current now.
        note: why the service could not be notified; None if it was, or there was no need.
    """

    old: str | None
    new: str
    note: str | None


def find(run: RunFolder, wanted: str | None) -> str:
    """Return the name of a run's model; `wanted` None is the current model.

    Raises:
        RunError: if the run has no such model.
    """
    known = [model.name for model in model_records.models(run.store.engine)]
    name = wanted if wanted is not None else run.store.setting("current")
    if not known or name is None:
        raise RunError(f"{run.folder.uri}: has no model yet; expected a run that has closed its first round")
    if name not in known:
        raise RunError(f"{run.folder.uri}: has no model {name!r}; expected one of {known_names(name, known)}")
    return name


def fetched(run: RunFolder, name: str) -> str:
    """Return the local folder of a run's model, which is downloaded if the run is in an object store.

    Raises:
        ModelError: if its files are missing.
    """
    try:
        return str((run.models / name).fetch("models"))
    except FileNotFoundError as error:
        raise ModelError(str(error)) from None


def promote(path: str, model: str) -> Promoted:
    """Make a model of a run current, and notify the service. `laud run` may be working on the run meanwhile.

    The next round that closes with an accepted model makes that model current.

    Args:
        path: the run's folder.
        model: the name of the model.

    Raises:
        RunError: if there is no such run or model.
        ModelError: if a file of the model is missing or damaged.
    """
    from laud_ray.client import notify  # imports an HTTP client, which only this function needs

    with look_at(path) as run:
        name = find(run, model)
        describe(fetched(run, name))
        old = model_records.promote(run.store.engine, name)
        return Promoted(old, name, notify.reload(run.config.serving) if old != name else None)
