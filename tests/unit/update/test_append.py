"""What an append says of what it took and left out."""

from laud_ray.data.corpus import corpus_of
from laud_ray.data.generations.append import Appended
from laud_ray.data.generations.manifest import Generation
from laud_ray.storage.folder import Folder
from laud_ray.update.append import _added


def appended(new: int, errors: int, unchanged: int, changed: int = 0) -> Appended:
    counts = {"documents": new, "unique": new, "duplicates": 0, "errors": errors, "truncated": 0}
    first = Generation(1, None, None, (), {**counts, "errors": 7}, {}, "a")
    second = Generation(2, "night.csv", "2026-11-30T03:00:00+00:00", (), counts, {}, "b")
    corpus = corpus_of(Folder("runs/none/corpus"), (first, second) if new else (first,))
    number = 2 if new else None
    return Appended(number, corpus, new + changed, new, 0, 0, changed, (), unchanged, (), (), ())


def test_what_was_taken_and_left_out_is_one_line() -> None:
    assert _added("night.csv", appended(40, 0, 0)).words == ("night.csv: 40 new documents, which are generation 2",)
    assert _added("night.csv", appended(40, 3, 2, 1)).words == (
        "night.csv: 40 new documents, which are generation 2, 3 of them without a valid text (1 changed; 2 files as "
        "before, which were not read)",
    )
    assert _added("night.csv", appended(0, 0, 1)).words == (
        "night.csv: 0 new documents (1 file as before, which was not read)",
    )
