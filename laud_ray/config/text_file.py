"""Read the text of a file that a person wrote: a configuration, or a file of labels."""

from laud_ray.errors import ConfigError
from laud_ray.printable import first_line
from laud_ray.storage import charset
from laud_ray.storage.file_kind import kind_of
from laud_ray.storage.folder import Folder


def read_text(path: str, where: str, expected: str, encoding: str | None = None, hint: str | None = None) -> str:
    """Return the text of a file. `where` names the file in errors, `expected` says what it should be.

    Args:
        encoding: the one that the user stated; None: it is detected, as that of a corpus.
        hint: how a user states an encoding, with {} in the place of its name; None if that is not possible.
    """
    folder, name = Folder.of_file(path)
    try:
        data = folder.read(name)
    except FileNotFoundError:
        raise ConfigError(f"{where}: no such file; expected {expected}") from None
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {first_line(error)}; expected {expected}") from None
    if (kind := kind_of(data)) is not None:
        raise ConfigError(f"{where}: is {kind}; expected {expected}")
    used = charset.marked(data) or encoding or charset.detect(data)
    try:
        return data.decode(used).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start)
        line = data.split(b"\n")[number]
        guess = (charset.suggestion(line, hint) if hint else "") or f"; expected {expected} in UTF-8"
        raise ConfigError(f"{where}: line {number + 1} holds bytes that are not {used}{guess}") from None
