"""Tell which new documents lie farther from all that is known than most of the earlier ones.

Known are the labels, the annotated texts, and the centres of a sample of the earlier documents. New documents are
compared with earlier ones that are as they are: with texts that occur once, since an append leaves out the texts that
the corpus has; and with annotated ones too, each of which is compared with all that is known but itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from laud_ray.data.corpus import Corpus
from laud_ray.passes.candidates import embed
from laud_ray.passes.novelty import distances, measure
from laud_ray.query.spatial.geometry import cluster
from laud_ray.stats.betting import FAR
from laud_ray.stats.betting.reference import distances_of
from laud_ray.steps.work import Work
from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.folder import Folder
from laud_ray.store.updates.evidence import Base
from laud_ray.types import Floats, Task
from laud_ray.update.open_run import Current, space_of, workers_of

CENTRES = 256
# Leaves of a taxonomy; if it has more, nodes above them are known in their place.
MOST_LABELS = 8_192
# Texts of earlier documents from which the centres are made, at most a quarter of them.
SAMPLE = 4_000
# Texts that are compared: a hundredth of the documents, but no fewer and no more than this, if there are as many.
COMPARED = (10_000, 50_000)
# The texts of earlier documents that were compared, with their distances.
COMPARED_WITH = "compared.parquet"
_KNOWN, _REFERENCE = "known.parquet", "reference.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """What earlier documents are like.

    Attributes:
        known: (m, d) unit vectors of all that is known.
        thresholds: the distances below which the shares FAR of the compared documents lie.
        far: how many of them lie beyond each.
        compared: their number.
    """

    known: Floats
    thresholds: tuple[float, ...]
    far: tuple[int, ...]
    compared: int


def folder_of(work: Work, base: Base) -> Folder:
    """Return the folder of the distances of a base's model to what was known then."""
    return work.run.folder / f"novelty/{base.generation:04d}-{base.model}"


def threshold_of(work: Work, base: Base) -> float:
    """Return the distance beyond which a document is novel: the last one of `Measured`."""
    place = folder_of(work, base)
    return float(parse_json(place.read(_REFERENCE), f"{place.uri}/{_REFERENCE}", dict)["thresholds"][-1])


def reference(work: Work, current: Current, base: Base, earlier: Corpus) -> Measured:
    """Measure earlier documents, unless that was done before; see `Measured`.

    Args:
        work: the run.
        current: the model, which is that of the base.
        base: what later documents are compared with.
        earlier: the documents up to the base.
    """
    place = folder_of(work, base)
    if not place.exists(_REFERENCE):
        _measure(work, current, earlier, place)
    found = parse_json(place.read(_REFERENCE), f"{place.uri}/{_REFERENCE}", dict)
    known = np.stack(place.read_table(_KNOWN).column("vector").to_numpy()).astype(np.float32)
    return Measured(known, tuple(found["thresholds"]), tuple(found["far"]), int(found["compared"]))


def of_generation(work: Work, current: Current, base: Base, number: int, measured: Measured) -> None:
    """Measure every document of a generation; only ranges that were not are read."""
    corpus = work.corpus.of_generation(number)
    with work.step("novelty", current.round) as progress:
        out = folder_of(work, base).absolute()
        measure(corpus, space_of(work, current), measured.known, out, workers_of(work, current), progress)


def _measure(work: Work, current: Current, earlier: Corpus, place: Folder) -> None:
    """Write the known vectors, and then the distances of other earlier documents to them."""
    asked = [one.query.document.text for one in work.store.queries() if one.answered]
    compared = int(np.clip(earlier.pool_size // 100, *COMPARED))
    sample = earlier.some_texts(SAMPLE + compared, once=True)
    n = min(SAMPLE, len(sample) // 4)
    labels = _words_of(work.task)
    with work.step("reference", current.round) as progress:
        vectors = embed([*labels, *asked, *sample], space_of(work, current), workers_of(work, current), progress)
        first = len(labels) + len(asked)
        centres = _centres(vectors[first : first + n], work.config.seed)
        known = np.concatenate([vectors[:first], centres]).astype(np.float32)
        far = _without_itself(
            vectors[first + n :], sample[n:], known, {text: len(labels) + i for i, text in enumerate(asked)}
        )
        thresholds, beyond = distances_of(far) if len(far) else (np.full(len(FAR), 2.0), np.zeros(len(FAR), np.int64))
        told = {"text": pa.array(sample[n:], pa.string()), "novelty": pa.array(far, pa.float32())}
        place.write_table(COMPARED_WITH, pa.table(told))
        place.write_table(_KNOWN, pa.table({"vector": pa.array(list(known), pa.list_(pa.float32()))}))
        found = {"thresholds": thresholds.tolist(), "far": beyond.tolist(), "compared": len(far)}
        place.write(_REFERENCE, dump_json(found))


def _words_of(task: Task) -> list[str]:
    """Return the names of the labels; in a taxonomy the last names of its leaves, or of nodes above many of them."""
    tree = task.taxonomy
    if tree is None:
        return [one.name for one in task.labels]
    nodes, depth = tree.leaves, tree.levels
    while len(nodes) > MOST_LABELS and depth > 1:
        depth -= 1
        nodes = tree.cut(depth)
    return list(dict.fromkeys(tree.nodes[node].name for node in nodes.tolist()))


def _without_itself(vectors: Floats, texts: Sequence[str], known: Floats, own: Mapping[str, int]) -> Floats:
    """Return the (n,) distances of n texts to what is known, each without itself.

    Args:
        vectors: (n, d) of the texts.
        texts: n.
        known: (m, d) what is known.
        own: the rows of texts in `known`.
    """
    found = distances(vectors, known)
    for i, text in enumerate(texts):
        if (row := own.get(text)) is not None:
            near = known @ vectors[i]
            near[row] = -1.0
            found[i] = 1 - near.max()
    return found


def _centres(vectors: Floats, seed: int) -> Floats:
    """Return at most CENTRES unit vectors at the middles of clusters."""
    n = min(CENTRES, len(vectors) // 4)
    if n < 1:
        return vectors
    _, centres = cluster(vectors.astype(np.float64), n, rng=np.random.default_rng([seed, 5]))
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    return np.asarray(centres / np.maximum(lengths, 1e-9), np.float32)
