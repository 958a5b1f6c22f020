"""The taxonomy of a run: found in its data, frozen in the run, and read again."""

from collections.abc import Callable

from laud_ray import config as configuration
from laud_ray.config import RunConfig, TaskTree
from laud_ray.config.labels.tree_store import parsed, stored
from laud_ray.data.corpus import MANIFEST
from laud_ray.data.found_paths import read_paths
from laud_ray.errors import ConfigError, UserError
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy import SEPARATOR
from laud_ray.taxonomy.task import FILE, dump

# The settings in the database with the run's taxonomies, by their digests. RUN/taxonomy.json is a copy of the current
# one that is faster to read.
KEY = "taxonomy "
# The setting in the database with the configuration of the last `laud run`. config.yaml is a copy of it for people.
CONFIGURATION = "configuration"


def with_found_paths(config: RunConfig, written: str) -> RunConfig:
    """Return a configuration whose taxonomy is read, where its nodes are the paths in a column of the corpus.

    A run that has read its corpus keeps the taxonomy that was found then; its data are not read again.

    Args:
        written: the configuration in the run's folder, which need not exist.

    Raises:
        UserError: if the column cannot be read, or holds no paths.
    """
    tree = config.task.tree
    if tree is None or tree.taxonomy is not None or tree.column is None or tree.digest is not None:
        return config
    separator = config.task.separator or SEPARATOR
    if (kept := _kept(config, tree.column, written)) is not None and kept.read().separator == separator:
        return config.with_tree(kept)
    return config.with_tree(TaskTree.of(read_paths(config.corpus, tree.column, separator), tree.column))


def _kept(config: RunConfig, column: str, written: str) -> TaskTree | None:
    """Return the taxonomy of the run in the same storage, if it is that of the same column of the same corpus."""
    folder = Folder(config.storage)
    try:
        if not (folder.exists(f"corpus/{MANIFEST}") and folder.exists(written)):
            return None
        old = configuration.load_stored(f"{config.storage.rstrip('/')}/{written}")
    except UserError:
        return None  # opening the run reports it
    tree = old.task.tree
    same = tree is not None and tree.column == column and old.corpus == config.corpus
    return tree if same and tree is not None and tree.taxonomy is not None else None


def with_kept_tree(config: RunConfig, folder: Folder, setting: Callable[[str], str | None]) -> RunConfig:
    """Return a configuration of a run with its taxonomy, read from the run's folder, or else from its database.

    Args:
        setting: reads a setting from the run's database.

    Raises:
        ConfigError: if neither has it.
    """
    tree = config.task.tree
    if tree is None or tree.taxonomy is not None or tree.digest is None:
        return config
    found = stored(folder, tree.digest)
    if found is None and (text := setting(KEY + tree.digest)) is not None:
        found = parsed(text.encode(), tree.digest, f"{folder.uri} database")
    if found is None:
        raise ConfigError(
            f"{folder.uri}/{FILE}: is missing, damaged or another taxonomy than the run's; expected the file that "
            "`laud run` wrote"
        )
    return config.with_tree(TaskTree(tree.column, tree.digest, found))


def keep(config: RunConfig, setting: Callable[[str], str | None], put: Callable[[str, str], None]) -> None:
    """Record the taxonomy of a configuration in the database, before the configuration that refers to it."""
    tree = config.task.tree
    if tree is not None and tree.digest is not None and setting(KEY + tree.digest) is None:
        put(KEY + tree.digest, dump(tree.read()).decode())


def write_copy(config: RunConfig, folder: Folder) -> None:
    """Write the taxonomy into the run's folder, unless it is there."""
    tree = config.task.tree
    if tree is not None and tree.digest is not None and stored(folder, tree.digest) is None:
        folder.write(FILE, dump(tree.read()))
