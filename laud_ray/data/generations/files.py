"""Which files a corpus was read from, so that an append reads only those that are new or changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from laud_ray.config import CorpusConfig
from laud_ray.data.corpus import MANIFEST
from laud_ray.data.generations.manifest import manifest_name
from laud_ray.storage.checksums import count, dump_json, parse_json, text, texts
from laud_ray.storage.credentials import masked
from laud_ray.storage.folder import Entry, Folder

# Files that were read and held nothing new, so that no generation has a record of them.
NOTHING_NEW = "read.json"
# The key of manifests under which the files are recorded.
KEY = "read_files"
State: TypeAlias = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class _Record:
    """Files that were read from a source in one way.

    Attributes:
        source: the path, without a password.
        how: the columns and all else that decides which texts the files give.
        files: path -> size in bytes and time in nanoseconds.
    """

    source: str
    how: list[str]
    files: dict[str, State]


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a source, compared with those that were read before.

    Attributes:
        fresh: the files to read: new ones, and those whose size or time differs.
        unchanged: number of files that are not read again.
        changed: files that were read before, with another size or time.
        gone: files that were read before from the same source, and are not there any more.
        recorded: whether any record helps: runs of earlier versions have none of the files with which they began.
    """

    fresh: tuple[Entry, ...]
    unchanged: int
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    recorded: bool


def recorded(config: CorpusConfig, columns: Sequence[str], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the record of files for a manifest, with all that decides which texts they give; of a query there is none.

    Args:
        config: the source.
        columns: the columns that are read.
        entries: the files.
    """
    if config.query is not None:
        return []
    files = {one.path: [one.size, one.modified] for one in entries}
    return [{"source": masked(config.path), "how": _how(config, columns), "files": files}]


def compare(
    folder: Folder, generations: int, config: CorpusConfig, columns: Sequence[str], entries: Sequence[Entry]
) -> Files:
    """Compare the files of a source with the records of all generations.

    A file is the same if its path, size and time are. An object store gives a file a new time when it is written.

    Args:
        folder: the corpus's folder.
        generations: the number of generations.
        config: the source.
        columns: the columns that are read.
        entries: the files that the source has now.

    Raises:
        DamageError: if a manifest is damaged.
    """
    if config.query is not None:
        return Files(tuple(entries), 0, (), (), recorded=True)
    known: dict[str, set[State]] = {}
    mine: set[str] = set()
    first = _records(folder, MANIFEST)
    later = [one for number in range(2, generations + 1) for one in _records(folder, manifest_name(number))]
    for record in [*first, *later, *_records(folder, NOTHING_NEW)]:
        if record.source == masked(config.path):
            mine |= set(record.files)
        if record.how == _how(config, columns):
            for path, state in record.files.items():
                known.setdefault(path, set()).add(state)
    fresh = tuple(one for one in entries if (one.size, one.modified) not in known.get(one.path, ()))
    changed = tuple(one.path for one in fresh if one.path in known)
    gone = tuple(sorted(mine - {one.path for one in entries}))
    return Files(fresh, len(entries) - len(fresh), changed, gone, bool(first or mine))


def remember(folder: Folder, config: CorpusConfig, columns: Sequence[str], entries: Sequence[Entry]) -> None:
    """Record files that held nothing new."""
    if not entries or not (found := recorded(config, columns, entries)):
        return
    (new,) = found
    kept = [asdict(one) for one in _records(folder, NOTHING_NEW)]
    for one in kept:
        if (one["source"], one["how"]) == (new["source"], new["how"]):
            one["files"] = {**one["files"], **{entry.path: [entry.size, entry.modified] for entry in entries}}
            break
    else:
        kept.append(new)
    folder.write(NOTHING_NEW, dump_json({KEY: kept}))


def _how(config: CorpusConfig, columns: Sequence[str]) -> list[str]:
    reading = config.reading
    stated = (reading.delimiter, reading.quote, reading.encoding, config.max_chars)
    return [*columns, *("" if one is None else str(one) for one in stated)]


def _records(folder: Folder, name: str) -> list[_Record]:
    """Return the records of files in a manifest; none if it does not exist, or is of an earlier version."""
    if not folder.exists(name):
        return []
    found: list[_Record] = parse_json(folder.read(name), f"{folder.uri}/{name}", _parsed)
    return found


def _parsed(found: Mapping[str, Any]) -> list[_Record]:
    records = []
    for one in found.get(KEY) or []:
        files = {
            text(path): (count(size), None if time is None else count(time))
            for path, (size, time) in one["files"].items()
        }
        records.append(_Record(text(one["source"]), list(texts(one["how"])), files))
    return records
