"""Find the output of the night before, which lies beside that of tonight."""

import pyarrow.fs as pafs

from laud_ray.storage.folder import Folder, filesystem


def before(out: Folder) -> str | None:
    """Return the finished output beside `out` whose name is the last one before that of `out`; None if there is none.

    Example: of the folders labels/2026-11-28, labels/2026-11-29 and labels/2026-11-30, the second one for the third.
    """
    parent, _, name = out.uri.rstrip("/").rpartition("/")
    if "://" in out.uri and parent.endswith(":/"):
        return None  # a bucket has no neighbours
    fs, path = filesystem(parent or "/")
    found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    names = sorted((one.base_name for one in found if one.type == pafs.FileType.Directory), reverse=True)
    places = (f"{parent}/{one}" for one in names if one < name and not one.startswith((".", "_")))
    return next((one for one in places if _is_output(Folder(one))), None)


def _is_output(folder: Folder) -> bool:
    return folder.exists("_SUCCESS") and folder.exists("_manifest.json")
