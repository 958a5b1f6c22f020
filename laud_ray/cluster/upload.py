"""What of a working directory goes to the cluster with a job, in Ray's own reading of the ignore files.

Ray leaves out what .gitignore and .rayignore say, in every folder, what `excludes` says, and .git, .venv, venv and
__pycache__; what is left may be 512 MiB.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import _get_excludes, _get_ignore_file

# What no job needs; a run's own files are never relative to a job's folder.
EXCLUDES = ("/runs", "/.venv", "/venv", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")


def left_behind(folder: Path, files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield those of the files in a folder that would not be sent along, and what keeps them from it."""
    fixed = _get_excludes(folder, [*get_runtime_env_default_excludes(), *EXCLUDES])
    for name, path in files.items():
        for one in (path, *path.parents):
            if one == folder:
                break
            reason = "the list of what is never sent" if fixed(one) else _ignored(folder, one)
            if reason is not None:
                yield name, reason
                break


def _ignored(folder: Path, path: Path) -> str | None:
    """The ignore file, in a folder above the path, that names it."""
    for above in path.parents:
        for name in (".gitignore", ".rayignore"):
            match: Callable[[Path], bool] | None = _get_ignore_file(above, name)
            if match is not None and match(path):
                return (above / name).relative_to(folder).as_posix()
        if above == folder:
            return None
    return None
