"""Columns of labels, as numbers with a dictionary."""

import numpy as np
import pyarrow as pa

from laud_ray.passes.coded import FEW, coded


def test_of_many_labels_only_those_that_occur_are_in_the_dictionary() -> None:
    names = pa.array([f"l{i}" for i in range(FEW + 1)])
    found = coded(np.array([7, 1024, 7, 3], np.int32), names, np.array([False, False, False, True]))
    assert found.to_pylist() == ["l7", "l1024", "l7", None]
    assert sorted(found.dictionary.to_pylist()) == ["l1024", "l3", "l7"]


def test_few_labels_are_all_in_it() -> None:
    found = coded(np.array([1, 1], np.int32), pa.array(["a", "b", "c"]))
    assert (found.to_pylist(), found.dictionary.to_pylist()) == (["b", "b"], ["a", "b", "c"])
    assert coded(np.array([], np.int32), pa.array([str(i) for i in range(FEW + 1)])).to_pylist() == []


def test_ranges_with_different_dictionaries_are_one_column() -> None:
    names = pa.array([f"l{i}" for i in range(FEW + 1)])
    tables = [pa.table({"label": coded(np.array(codes, np.int32), names)}) for codes in ([1, 2], [2, 900])]
    joined = pa.concat_tables(tables).take(pa.array([3, 0, 2]))
    assert joined.column("label").to_pylist() == ["l900", "l1", "l2"]
