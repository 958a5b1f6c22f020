"""Novelty alone in streams of real texts: in many streams at once, which whole runs would take hours for.

As in streams.py, but without a run: vectors are those of the bundled encoder, frozen, in which the linear learner
classifies; annotated documents are drawn at random; and there is no other test. What is known, the distances and the
test are the product's.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from streams import BATCHES, CHANGE, OTHERS, SIZES, Sizes, Stream, read_texts, stream_of

from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.passes.novelty import distances
from laud_ray.query.spatial.geometry import cluster
from laud_ray.stats.betting import FAR, Batch, Reference, Watch
from laud_ray.stats.betting.reference import distances_of
from laud_ray.types import Floats

CENTRES, INSIDE = 256, 4


def alarms(data: Sequence[Path], shares: Sequence[float], seeds: int) -> Iterator[str]:
    """Yield a line for each set and share: how soon novelty has an alarm, over streams with different classes."""
    for folder in data:
        (task, texts, labels), sizes = read_texts(folder), SIZES.get(folder.name, OTHERS)
        encoder = Encoder(BUNDLED, 64).freeze()
        vectors, names = encoder.embed(texts), dict(zip(task.names, encoder.embed(task.names), strict=True))
        for share in shares:
            rows = []
            for seed in range(seeds):
                stream = stream_of(texts, labels, sizes, share, seed)
                rows.append(watch(stream, vectors, names, sizes, np.random.default_rng(seed)))
            first = np.array([one[0] for one in rows])
            beyond = np.mean([one[1] for one in rows], axis=0)
            yield told(folder.name, share, first, beyond)


def watch(
    stream: Stream, vectors: Floats, names: dict[str, Floats], sizes: Sizes, rng: np.random.Generator
) -> tuple[float, Floats]:
    """Return the batch of the first alarm, infinite without one, and the shares of new classes beyond FAR."""
    start = rng.permutation(stream.start)
    told, sample = start[: sizes.annotations + sizes.evaluation], rng.permutation(start)
    n = len(sample) // INSIDE
    _, centres = cluster(vectors[sample[:n]].astype(np.float64), min(CENTRES, n // 4), rng=rng)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    named = np.stack([vector for label, vector in names.items() if label not in stream.held])
    known = np.concatenate([named, centres.astype(np.float32), vectors[told]])
    compared = sample[n:]
    far = distances(vectors[compared], known)
    own = {int(row): len(named) + len(centres) + i for i, row in enumerate(told)}
    for i, row in enumerate(compared):
        if int(row) in own:
            near = known @ vectors[row]
            near[own[int(row)]] = -1.0
            far[i] = 1 - near.max()
    thresholds, beyond = distances_of(far)
    nothing = Reference.of([], 1)
    state = Watch.start(Reference(nothing.counts, 0.0, 0.0, beyond, len(far)))
    first = np.inf
    for number, rows in enumerate(stream.batches, 1):
        found = np.searchsorted(thresholds, distances(vectors[rows], known))
        state = state.after(Batch(np.zeros(len(rows), np.int64), np.full(len(rows), 0.5), found))
        if state.alarms and first == np.inf:
            first = number
    late = np.array([i for rows in stream.batches for i in rows if stream.labels[i] in stream.held], np.int64)
    if not len(late):
        return first, np.full(len(FAR), np.nan)
    return first, (distances(vectors[late], known)[:, None] > thresholds).mean(0)


def told(name: str, share: float, first: Floats, beyond: Floats) -> str:
    """Return one line about the alarms of some streams."""
    if not share:
        return f"{name}, nothing new: {np.isfinite(first).sum()} of {len(first)} streams have an alarm in {BATCHES}"
    false, delays = (first < CHANGE).sum(), first[first >= CHANGE] - CHANGE + 1
    within = ", ".join(f"{(delays <= most).sum()} within {most}" for most in (3, 7, BATCHES - CHANGE + 1))
    shares = ", ".join(f"{far:.0%} beyond {at:.0%}" for at, far in zip(FAR, beyond, strict=True))
    return (
        f"{name}, {share:.0%} new: {false} of {len(first)} streams have a false alarm; else {within} batches; {shares}"
    )
