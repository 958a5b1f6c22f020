"""Find a model of a run, and make one current."""

from dataclasses import dataclass

from laud_ray.config.mistakes import known_names
from laud_ray.errors import ModelError, RunError
from laud_ray.storage.model_folder import describe
from laud_ray.store import model_records
from laud_ray.store.run import RunFolder, look_at


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion changed. `note` says why the service could not be told, or is None."""

    old: str | None
    new: str
    note: str | None


def find(run: RunFolder, wanted: str | None) -> str:
    """Return the name of a model that the run has; None asks for the current one.

    Raises:
        RunError: if there is no such model.
    """
    known = [model.name for model in model_records.models(run.store.engine)]
    name = wanted if wanted is not None else run.store.setting("current")
    if not known or name is None:
        raise RunError(f"{run.folder.uri}: no model yet; expected a run that has closed its first round")
    if name not in known:
        raise RunError(f"{run.folder.uri}: no model {name!r}; expected one of {known_names(name, known)}")
    return name


def fetched(run: RunFolder, name: str) -> str:
    """Return the local folder of a model that the run has, downloaded if the run is in an object store.

    Raises:
        ModelError: if its files are gone.
    """
    try:
        return str((run.models / name).fetch("models"))
    except FileNotFoundError as error:
        raise ModelError(str(error)) from None


def promote(path: str, model: str) -> Promoted:
    """Make a model of a run current, also while `laud run` works on it, and tell the service.

    The next round that closes with an accepted model makes that one current.

    Raises:
        RunError: if there is no such run or model.
        ModelError: if a file of the model is missing or not what was written.
    """
    from laud_ray.client import notify  # with an HTTP client, which only this needs

    with look_at(path) as run:
        name = find(run, model)
        describe(fetched(run, name))
        old = model_records.promote(run.store.engine, name)
        return Promoted(old, name, notify.reload(run.config.serving) if old != name else None)
