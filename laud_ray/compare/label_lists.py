"""Columns of lists of labels, as multilabel outputs have them, and the texts of their label sets. n rows.

A null list is a row that could not be labelled; an empty one is a row to which no label applies.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.label_sets import LabelSet
from laud_ray.texts import normalise_text

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def is_lists(kind: pa.DataType) -> bool:
    """Whether a column's type is lists of strings."""
    if not any(test(kind) for test in _LISTS):
        return False
    inner = kind.value_type
    value = inner.value_type if pa.types.is_dictionary(inner) else inner
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def texts_of(lists: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Map n lists of labels in any order to the texts of their `LabelSet`; a null list to null.

    Example: ["Tea", "Coffee"] -> '["Coffee","Tea"]', [] -> '[]'.
    """
    lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    there = np.asarray(pc.is_valid(lists))
    names, codes = _coded(lists.flatten())
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    table = np.full((len(lists), max(int(lengths.max(initial=0)), 1)), -1, np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = codes
    table.sort(axis=1)
    rows, inverse = np.unique(table, axis=0, return_inverse=True)
    made = [LabelSet.of(names[code] for code in row if code >= 0).text for row in rows.tolist()]
    # Lists with repeated labels, or in which names differ by white space only, can have the same text.
    distinct = {text: place for place, text in enumerate(dict.fromkeys(made))}
    places = np.asarray([distinct[text] for text in made], np.int32)[inverse.reshape(-1)] if made else inverse
    return pa.DictionaryArray.from_arrays(
        pa.array(places.astype(np.int32), mask=~there), pa.array(list(distinct), pa.string())
    )


def lists_of(texts: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """Map n texts of label sets to lists of their labels; null to null."""
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    there = np.asarray(pc.is_valid(coded))
    sets = [LabelSet.parse(text).yes for text in coded.dictionary.to_pylist()]
    rows = [sets[code] for code in coded.indices.filter(pa.array(there)).to_pylist()]
    lengths = np.zeros(len(there), np.int64)
    lengths[there] = [len(row) for row in rows]
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    values = pa.array([name for row in rows for name in row], pa.string()).dictionary_encode()
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(~there))


def _coded(values: pa.Array) -> tuple[list[str], np.ndarray]:
    """Return distinct normalised names, and the index of each of m values; -1 for a null or an empty one."""
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    read = [None if one is None else normalise_text(one) or None for one in coded.dictionary.to_pylist()]
    names = list(dict.fromkeys(one for one in read if one is not None))
    index = {name: place for place, name in enumerate(names)}
    places = np.asarray([*(-1 if one is None else index[one] for one in read), -1], np.int64)
    return names, places[pc.fill_null(coded.indices, len(read)).to_numpy(zero_copy_only=False)]
