"""The taxonomy in a run's folder is read where a configuration refers to it, and only if it is the same."""

from pathlib import Path

from laud_ray.config.labels.tree_store import is_reference, parsed, reference, stored
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy import read_lines
from laud_ray.taxonomy.task import FILE, digest, dump

TREE = read_lines("Food > Milk\nFood > Tea", "a.txt")


def test_what_refers_to_the_file_of_a_run() -> None:
    assert is_reference({"path": FILE, "sha256": "a", "column": "label"})
    assert not is_reference({"path": FILE})
    assert not is_reference({"path": "other.json", "sha256": "a"})
    assert not is_reference({"path": FILE, "sha256": "a", "levels": []})
    assert not is_reference(FILE)


def test_the_file_is_read_if_it_is_the_same(tmp_path: Path) -> None:
    labels = {"path": FILE, "sha256": digest(TREE), "column": "label"}
    config = f"{tmp_path}/config.yaml"
    assert reference(labels, config).taxonomy is None
    (tmp_path / FILE).write_bytes(dump(TREE))
    found = reference(labels, config)
    assert (found.column, found.digest, found.taxonomy) == ("label", digest(TREE), TREE)
    assert stored(Folder(str(tmp_path)), "another") is None
    assert reference(labels, "run database").taxonomy is None


def test_damaged_data_are_no_taxonomy() -> None:
    import hashlib

    data = b'{"nodes": 3}'
    assert parsed(data, hashlib.sha256(data).hexdigest(), FILE) is None
