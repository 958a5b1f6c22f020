"""Which classes that a classifier was never told of are found among new documents, and are they named right?

    python benchmarks/new_classes.py ../shared/data/banking77 ../shared/data/hs_chapter --share 0.1 0.2

Some classes are held back. Half of the other documents are the earlier ones, 500 of them with labels; the others are
the new documents, with those of the held-back classes among them. Vectors are those of the bundled encoder, frozen, in
which the linear learner classifies. A class is found if a group has at least 70 % documents of it; a name is right if
one of its words begins like a word of the class's name. The rivals are k-means, with as many clusters as classes were
held back, of the documents beyond the 99 % quantile of the earlier distances; and of the same documents as are grouped.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray.discovery.clusters import LEAST, new_groups, width_of
from laud_ray.discovery.pool import pool
from laud_ray.discovery.words import names
from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.passes.novelty import distances
from laud_ray.query.spatial.geometry import cluster
from laud_ray.types import Floats, Indices

CENTRES, FAR, PURE = 256, 0.99, 0.7
TOKENS, STEM = 64, 4


@dataclass(frozen=True, slots=True)
class Data:
    """n documents with their vectors and classes, and the vectors of the classes' names."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: Floats
    named: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Split:
    """Documents with held-back classes: rows of the labelled, the other earlier and the new documents."""

    held: frozenset[str]
    labelled: Indices
    earlier: Indices
    new: Indices
    known: Floats


def main() -> None:
    """Print a line of JSON for each folder, share and way: means over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--share", type=float, nargs="+", default=[0.1, 0.2], help="of held-back classes in the new")
    parser.add_argument("--held", type=int, default=10)
    parser.add_argument("--labelled", type=int, default=500)
    parser.add_argument("--documents", type=int, default=8000)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    for folder in args.data:
        data = read(folder, args.documents)
        for share in args.share:
            began, rows = time.monotonic(), dict[str, list[dict[str, float]]]()
            for seed in range(args.seeds):
                split = hold_back(data, args.held, args.labelled, share, np.random.default_rng(seed))
                for way, groups in ways(data, split, args.held, seed):
                    rows.setdefault(way, []).append(judge(data, split, groups))
            seconds = round(time.monotonic() - began, 1)
            for way, found in rows.items():
                means = {key: round(float(np.mean([one[key] for one in found])), 3) for key in found[0]}
                shown = {"data": folder.name, "share": share, "way": way, **means, "seeds": args.seeds}
                print(json.dumps({**shown, "seconds": seconds}), flush=True)


def read(folder: Path, most: int) -> Data:
    """Read some documents of a folder at random, and embed them."""
    files = [folder / f"{name}.parquet" for name in ("train", "test")]
    table = pa.concat_tables([pq.read_table(file, columns=["text", "label"]) for file in files])
    table = table.take(np.random.default_rng(0).permutation(table.num_rows)[:most])
    texts, labels = (tuple(map(str, table.column(name).to_pylist())) for name in ("text", "label"))
    encoder = Encoder(BUNDLED, TOKENS).freeze()
    classes = sorted(set(labels))
    return Data(texts, labels, encoder.embed(texts), dict(zip(classes, encoder.embed(classes), strict=True)))


def hold_back(data: Data, n: int, labelled: int, share: float, rng: np.random.Generator) -> Split:
    """Hold back n classes with at least 20 documents, which are a share of the new documents."""
    counts, labels = Counter(data.labels), np.array(data.labels)
    held = rng.choice(sorted(label for label, number in counts.items() if number >= 20), n, replace=False).tolist()
    is_held = np.isin(labels, held)
    others, fresh = rng.permutation(np.flatnonzero(~is_held)), rng.permutation(np.flatnonzero(is_held))
    earlier, later = np.array_split(others, 2)
    fresh = fresh[: round(share / (1 - share) * len(later))]
    told, rest = earlier[:labelled], earlier[labelled:]
    inside, compared = np.split(rest, [len(rest) // 4])
    _, centres = cluster(data.vectors[inside].astype(np.float64), min(CENTRES, len(inside)), rng=rng)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    known = np.concatenate(
        [
            np.stack([vector for label, vector in data.named.items() if label not in held]),
            data.vectors[told],
            centres.astype(np.float32),
        ]
    )
    return Split(frozenset(held), told, compared, np.concatenate([later, fresh]), known)


def ways(data: Data, split: Split, k: int, seed: int) -> Iterator[tuple[str, list[Indices]]]:
    """Yield the name of each way to group new documents, with the rows of its groups."""
    earlier, new = (distances(data.vectors[rows], split.known) for rows in (split.earlier, split.new))
    chosen = pool(new, earlier, np.random.default_rng(seed))
    width = width_of(data.vectors[split.labelled], [data.labels[i] for i in split.labelled])
    assert chosen is not None, "some documents of both kinds are far"
    assert width is not None, "a class has two labelled documents"
    some = split.new[chosen.new]
    rows = np.concatenate([some, split.earlier[chosen.earlier]])
    found = new_groups(data.vectors[rows], np.arange(len(rows)) < len(some), chosen.share, width)
    yield "groups", [rows[one.members] for one in found]
    far = split.new[new > np.quantile(earlier, FAR)]
    yield "k-means, far", clusters(data.vectors, far, k, seed)
    yield "k-means, same", clusters(data.vectors, some, k, seed)


def clusters(vectors: Floats, rows: Indices, k: int, seed: int) -> list[Indices]:
    """Return the clusters of k-means with at least LEAST documents, the most central document of each first."""
    owners, centres = cluster(vectors[rows].astype(np.float64), min(k, len(rows)), rng=np.random.default_rng(seed))
    parts = [(rows[owners == i], centre) for i, centre in enumerate(centres)]
    return [part[np.argsort(-(vectors[part] @ centre))] for part, centre in parts if len(part) >= LEAST]


def judge(data: Data, split: Split, groups: Sequence[Indices]) -> dict[str, float]:
    """Return the share of held-back classes that have a group, of groups that are such a class, and of right names."""
    called = names([[data.texts[i] for i in rows] for rows in groups], [data.texts[i] for i in split.earlier])
    found, right = Counter[str](), Counter[str]()
    for rows, name in zip(groups, called, strict=True):
        label, n = Counter(data.labels[i] for i in rows).most_common(1)[0]
        if label in split.held and n >= PURE * len(rows):
            found[label] += 1
            right[label] += matches(name, label)
    there = Counter(data.labels[i] for i in split.new if data.labels[i] in split.held)
    present = sum(n >= LEAST for n in there.values())
    return {
        "classes": present,
        "found": len(found) / max(present, 1),
        "groups": len(groups),
        "of_a_class": sum(found.values()) / max(len(groups), 1),
        "named": sum(right.values()) / max(sum(found.values()), 1),
    }


def matches(name: str, label: str) -> bool:
    """Whether a word of a name begins like a word of a class's name."""
    stems, words = (re.findall(r"[a-z]{3,}", text.lower()) for text in (name, label))
    return any(stem[:STEM] == word[:STEM] for stem in stems for word in words)


if __name__ == "__main__":
    main()
