"""A pass does the ranges that its folder does not hold."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from laud_ray.cluster.retry_limits import Done, Lost
from laud_ray.cluster.workers import Workers
from laud_ray.errors import SetAsideError
from laud_ray.passes.missing import find_missing, map_missing
from laud_ray.storage.folder import Folder

SIZES = {"a": 3, "b": 5, "c": 7}


def test_what_is_listed_is_done(tmp_path: Path) -> None:
    (tmp_path / "b.json").touch()
    missing = find_missing(SIZES, Folder(str(tmp_path)), "{}.json".format)
    assert (missing.names, missing.done, missing.total) == (("a", "c"), 5, 15)


def test_rows_are_counted_as_ranges_come_and_what_was_set_aside_is_named_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mapped(names: Sequence[str], work: Any, job: Any, workers: Workers) -> Iterator[Done[str] | Lost]:
        for name in names:
            yield Lost(name, 3, "its worker process died") if name == "a" else Done(name, work(name, job))

    monkeypatch.setattr("laud_ray.cluster.ranges.map_ranges", mapped)
    (tmp_path / "b").touch()
    missing = find_missing(SIZES, Folder(str(tmp_path)))
    found = []
    with pytest.raises(SetAsideError, match=r"^1 of 3 files were set aside: a \(its worker process died, 3 times\)"):
        found.extend(map_missing(missing, lambda name, job: name + job, "!", Workers(), what="files"))
    assert found == [(12, Done("c", "c!"))]
