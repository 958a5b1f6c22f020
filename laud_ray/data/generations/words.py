"""What an append has to say, in whole sentences."""

from collections.abc import Sequence

from laud_ray.data.generations.files import Files
from laud_ray.data.seen import listed
from laud_ray.printable import printable, quoted


def words(path: str, files: Files, changed: int, changes: Sequence[tuple[str, str | None, str | None]]) -> list[str]:
    """Return the remarks on files and on changed documents.

    Args:
        path: the source.
        files: its files, compared with those that were read before.
        changed: number of rows whose id the corpus has with another text.
        changes: some of them: id, text in the corpus, text now.
    """
    said = []
    if files.changed:
        what = "1 file has changed" if len(files.changed) == 1 else f"{len(files.changed):,} files have changed"
        said.append(
            f"{path}: {what} since the last time: {_named(files.changed)}; rows that were read before are skipped"
        )
    if files.gone:
        what = "1 file is gone" if len(files.gone) == 1 else f"{len(files.gone):,} files are gone"
        said.append(f"{path}: {what}: {_named(files.gone)}; the documents that were read from there stay in the corpus")
    if not files.recorded:
        said.append(
            f"{path}: every file was read, because this run began with a version that did not record its files; rows "
            "that the corpus has already were recognised by their ids and texts"
        )
    if changed:
        what = "1 row has an id" if changed == 1 else f"{changed:,} rows have an id"
        shown = "; ".join(f"{quoted(id)} was {_text(before)} and is now {_text(now)}" for id, before, now in changes)
        verb = "was" if changed == 1 else "were"
        said.append(f"{path}: {what} that the corpus has with another text, and {verb} left out: {shown}")
    return said


def _named(paths: Sequence[str]) -> str:
    return listed([printable(path.rstrip("/").rsplit("/", 1)[-1]) for path in paths])


def _text(text: str | None) -> str:
    return "without a text" if text is None else quoted(text)
