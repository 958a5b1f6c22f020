"""The model of a relabel: a model of a run, or a model folder without a run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laud_ray.cluster.workers import Workers
from laud_ray.errors import ModelError
from laud_ray.passes.scoring import load_taxonomy, open_model
from laud_ray.relabel.plan import checksum_in
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import DESCRIPTION, ENGINES, describe
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Scorer

if TYPE_CHECKING:
    from laud_ray.compare import canary
    from laud_ray.stats.hierarchy import Depth
    from laud_ray.store.run import RunFolder

# The default of corpus.max_chars, for a model without a run. It is repeated here because config is slow to import.
MAX_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Source:
    """A model, and the settings of its run.

    Attributes:
        run: the run, or the folder of the model.
        name: the model's name.
        folder: the model's folder for workers: an absolute path or a URI.
        checksum: of the model.
        labels: the k labels.
        workers: resources of the workers.
        max_chars: longer texts are truncated to this length, as in the run's corpus.
        text: the text column of the run's corpus; None without a run.
        id: the id column of the run's corpus; None without a run.
        expected: returns the distribution that a canary's drift is measured against, or None if there is no sample.
        load: opens the model in a worker.
        reading: settings of the run's corpus, which are defaults for other data.
        taxonomy: whose leaves the labels are; None for other tasks.
        accuracy: what the run's configuration promises of a taxonomy's answers; None for nothing.
        promise: makes a promise of this accuracy, as JSON, from the evaluation sample; None without a run.
        rules: by which a multilabel model decides which labels apply; None for other tasks.
    """

    run: str
    name: str
    folder: Folder
    checksum: str
    labels: tuple[str, ...]
    workers: Workers
    max_chars: int
    text: str | None
    id: str | None
    expected: "Callable[[Depth], canary.Expected | None]"
    load: Callable[[str], Scorer] = open_model
    reading: Reading = AS_FOUND
    taxonomy: Taxonomy | None = None
    accuracy: float | None = None
    promise: Callable[[float], dict[str, Any]] | None = None
    rules: Rules | None = None


def open_source(path: str, model: str | None) -> Source:
    """Open a model of a run, or a model folder.

    Args:
        path: a run, or the folder of a model.
        model: the name of a model in the run; None is the current one.

    Raises:
        UserError: if there is no such model.
    """
    if (Path(path) / DESCRIPTION).is_file():
        if model is not None:
            raise ModelError(f"--model {model}: {path} is itself the folder of a model; expected a run, or no --model")
        folder = Path(path).resolve()
        description = describe(str(folder))[1]
        engines = 1 if description["kind"] in ENGINES else 0
        return Source(
            path,
            folder.name,
            Folder(str(folder)),
            checksum_in(folder),
            tuple(description["labels"]),
            Workers(engines=engines),
            MAX_CHARS,
            None,
            None,
            lambda _: None,
            taxonomy=load_taxonomy(Folder(str(folder))),
            rules=Rules.of(description),
        )
    from laud_ray.store import registry  # with a database, which the folder of a model does without
    from laud_ray.store.run import look_at

    with look_at(path) as run:
        name = registry.find(run, model)
        place = run.models / name
        local = place.fetch("models")
        description = describe(str(local))[1]
        resources, engine = run.config.resources, description["kind"] in ENGINES
        return Source(
            path,
            name,
            place if place.local is None else Folder(str(place.local.resolve())),
            checksum_in(local),
            tuple(description["labels"]),
            Workers(
                resources.cpus_per_scorer if engine else 1,
                resources.gpus_per_scorer,
                resources.scorers if engine else 0,
                resources.range_timeout,
            ),
            run.config.corpus.max_chars,
            run.config.corpus.text,
            run.config.corpus.id,
            lambda depth: _expected(path, name, depth),
            reading=run.config.corpus.reading.as_default(),
            taxonomy=load_taxonomy(place),
            accuracy=None if run.config.promise is None else run.config.promise.accuracy,
            promise=lambda accuracy: _promise(path, name, accuracy),
            rules=Rules.of(description),
        )


def _promise(path: str, name: str, accuracy: float) -> dict[str, Any]:
    """Return a promise about a model of a run, from the answers for evaluation so far."""
    from laud_ray.evaluation import promise
    from laud_ray.store.run import look_at

    with look_at(path) as run:
        return promise.dump(promise.evaluated(run, name).promise(accuracy, seed=run.config.seed))


def _expected(path: str, name: str, depth: "Depth") -> "canary.Expected | None":
    """Return the labels and confidences that a model gives the evaluation sample of its run."""
    from laud_ray.store.run import look_at

    with look_at(path) as run:
        return _of_sample(run, name, depth)


def _of_sample(run: "RunFolder", name: str, depth: "Depth") -> "canary.Expected | None":
    import numpy as np
    import pyarrow as pa

    from laud_ray.compare import canary
    from laud_ray.evaluation import promise
    from laud_ray.evaluation.measure import predictions
    from laud_ray.stats import hierarchy
    from laud_ray.store import model_records
    from laud_ray.store.versions.tasks import task_of_round

    number = next((model.round for model in model_records.models(run.store.engine) if model.name == name), None)
    drawn = run.store.sample("evaluation")
    if number is None or not drawn:
        return None
    task = task_of_round(run.config, run.store, number)
    try:
        if task.taxonomy is None:
            label, confidence = predictions(run.scores(number), drawn, task.names)
            labels = [task.names[i] if i >= 0 else None for i in label]
        else:
            leaf, confidences = promise.predicted(run.scores(number), drawn, task.taxonomy)
            given = hierarchy.answer(task.taxonomy, leaf, confidences, depth)
            named = (leaf >= 0) & (given.node >= 0)
            labels = [task.taxonomy.label(int(n)) if ok else None for n, ok in zip(given.node, named, strict=True)]
            confidence = np.nan_to_num(given.confidence)
    except FileNotFoundError:  # the run has no scores of this model
        return None
    in_stratum = {one.stratum: sum(other.stratum == one.stratum for other in drawn) for one in drawn}
    weights = np.asarray([one.stratum_size / in_stratum[one.stratum] for one in drawn])
    return canary.expected(
        pa.array(labels, pa.string()),
        pa.array(confidence),
        source="the evaluation sample",
        weights=weights,
    )
