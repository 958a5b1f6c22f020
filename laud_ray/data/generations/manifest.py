"""What a generation of a corpus is, and the file that describes it. That file is written last: it is the commit."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

from laud_ray.data.sharding.ordering import Range
from laud_ray.errors import DamageError
from laud_ray.storage.checksums import EXPECTED, count, dump_json, parse_json, text, texts
from laud_ray.storage.folder import Folder

FIRST = 1
# Keys of the manifests of later generations.
_LATER = ("number", "added", "skipped")
_MANIFEST = re.compile(r"generation-(\d{4,})\.json")
_RANGE = re.compile(r"part-g(\d{4,})-\d{5,}\.parquet")


@dataclass(frozen=True, slots=True)
class Generation:
    """The documents that one append added. The first generation is the corpus with which the run began.

    Attributes:
        number: from 1.
        source: the path that was read, without a password; None if it was not recorded.
        added: when it was committed, as an ISO time in UTC; None for the first generation.
        ranges: its ranges, in order.
        counts: documents, unique, duplicates, errors, truncated, and a count for each error, of its documents alone.
        skipped: numbers of rows that were read and are not in it, by reason: "seen by id", "seen by text", "changed".
        fingerprint: a hash of its ids and texts in order.
        notes: remarks for people on how the source was read.
    """

    number: int
    source: str | None
    added: str | None
    ranges: tuple[Range, ...]
    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def pool_size(self) -> int:
        """Number of its documents that can be asked about: distinct texts."""
        return self.counts["unique"]


def manifest_name(number: int) -> str:
    """Return the name of the file that describes a later generation, such as "generation-0002.json"."""
    return f"generation-{number:04d}.json"


def range_prefix(number: int) -> str:
    """Return how the names of a generation's ranges begin, such as "part-g0002-"; "part-" for the first one."""
    return "part-" if number == FIRST else f"part-g{number:04d}-"


def number_of(range_name: str) -> int:
    """Return the number of the generation that a range belongs to, by the range's name."""
    found = _RANGE.fullmatch(range_name)
    return FIRST if found is None else int(found[1])


def parse(found: Mapping[str, Any], number: int) -> Generation:
    """Build a generation from its parsed manifest; for `parse_json`.

    The manifest of the first generation is that of the corpus, which has fewer keys in runs of earlier versions.
    """
    source, added = found.get("source"), found.get("added")
    assert found.get("number", number) == number, f"it describes generation {found.get('number')}, not {number}"
    return Generation(
        number,
        None if source is None else text(source),
        None if added is None else text(added),
        tuple(Range(text(one["name"]), count(one["rows"])) for one in found["ranges"]),
        {name: count(value) for name, value in found["counts"].items()},
        {name: count(value) for name, value in found.get("skipped", {}).items()},
        text(found["fingerprint"]),
        texts(found.get("notes", [])),
    )


def dump(generation: Generation, more: Mapping[str, object]) -> bytes:
    """Return the manifest of a generation with further keys. That of the first one lacks what only later ones have."""
    own = asdict(generation)
    if generation.number == FIRST:
        own = {key: value for key, value in own.items() if key not in _LATER}
    return dump_json({**own, **more})


def later_generations(folder: Folder) -> tuple[Generation, ...]:
    """Return the committed generations after the first.

    Raises:
        DamageError: if a manifest is damaged, or one is missing before another.
    """
    found = {int(match[1]) for name in folder.names() if (match := _MANIFEST.fullmatch(name))}
    for number in range(FIRST + 1, max(found, default=FIRST)):
        if number not in found:
            raise DamageError(f"{folder.uri}/{manifest_name(number)}: is missing; {EXPECTED}")
    return tuple(_read(folder, number) for number in sorted(found))


def joined_counts(generations: Sequence[Generation]) -> dict[str, int]:
    """Return the sums of the counts. No text is in two generations, so those of unique texts may be added up."""
    total: Counter[str] = Counter()
    for one in generations:
        total.update(one.counts)
    return dict(total)


def joined_fingerprint(fingerprints: Iterable[str]) -> str:
    """Return the fingerprint of a corpus: that of its only generation, or else a hash of those of all."""
    first, *others = fingerprints
    return first if not others else blake2b("\0".join([first, *others]).encode(), digest_size=16).hexdigest()


def _read(folder: Folder, number: int) -> Generation:
    name = manifest_name(number)
    return parse_json(folder.read(name), f"{folder.uri}/{name}", lambda found: parse(found, number))
