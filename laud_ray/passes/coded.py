"""Columns of labels, as numbers with a dictionary."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from laud_ray.types import Bools

# Up to this many labels are in the dictionary of a range whether or not they occur.
FEW = 1024


def coded(codes: npt.NDArray[np.int32], names: pa.Array, null: Bools | None = None) -> pa.DictionaryArray:
    """Return labels by their numbers; null where told.

    Each range has a dictionary of its own. Of many labels it holds only those that occur there, so that neither the
    files nor the memory of who reads them grow with ranges times labels.
    """
    if len(names) > FEW:
        used, places = np.unique(codes, return_inverse=True)
        codes, names = places.astype(np.int32), names.take(pa.array(used))
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=null), names)
