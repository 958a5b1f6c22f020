"""The fingerprint of a corpus is the hash of all ids and texts in their order, however they are cut."""

import hashlib
from pathlib import Path

import pyarrow as pa

from laud_ray.data.sharding.fingerprint import fingerprint, write_hashed
from laud_ray.storage.folder import Folder

IDS = ["a", "b", "c", "d"]
TEXTS = ["tea", None, "café", ""]


def documents(low: int, high: int) -> pa.Table:
    return pa.table({"id": pa.array(IDS[low:high], pa.string()), "text": pa.array(TEXTS[low:high], pa.string())})


def test_the_hash_goes_over_ids_and_texts_in_their_order(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    write_hashed(folder, "all", documents(0, 4))
    wanted = hashlib.blake2b("a\0tea\0b\0None\0c\0café\0d\0\0".encode(), digest_size=16).hexdigest()
    assert fingerprint(folder, ["all"]) == wanted
    write_hashed(folder, "1", documents(0, 1))
    write_hashed(folder, "2", pa.concat_tables([documents(1, 3), documents(3, 4)]).slice(0, 3))
    write_hashed(folder, "0", documents(0, 0))
    assert fingerprint(folder, ["0", "1", "2"]) == wanted
    assert fingerprint(folder, ["2", "1"]) != wanted
