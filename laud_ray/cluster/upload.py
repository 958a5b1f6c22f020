"""Find files of a working directory that Ray would not upload with a job.

Ray leaves out what the .gitignore and .rayignore of any folder match, what `excludes` matches, and .git, .venv, venv
and __pycache__. The rest may have at most 512 MiB. Ray's own functions read the ignore files here.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import _get_excludes, _get_ignore_file

# No job needs these. A run's files are never addressed relative to a job's folder.
EXCLUDES = ("/runs", "/.venv", "/venv", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")


def left_behind(folder: Path, files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield the name of each file that would not be uploaded, and the ignore file or list that excludes it."""
    fixed = _get_excludes(folder, [*get_runtime_env_default_excludes(), *EXCLUDES])
    for name, path in files.items():
        for one in (path, *path.parents):
            if one == folder:
                break
            reason = "the list of folders that are never uploaded" if fixed(one) else _ignored(folder, one)
            if reason is not None:
                yield name, reason
                break


def _ignored(folder: Path, path: Path) -> str | None:
    """Return the ignore file, in one of the folders above the path, that matches it; None if there is none."""
    for above in path.parents:
        for name in (".gitignore", ".rayignore"):
            match: Callable[[Path], bool] | None = _get_ignore_file(above, name)
            if match is not None and match(path):
                return (above / name).relative_to(folder).as_posix()
        if above == folder:
            return None
    return None
