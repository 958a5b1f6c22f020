"""Reserve disk space for answers that are already paid for, so that they can be stored when the disk is full."""

import os
from dataclasses import dataclass
from pathlib import Path

# Enough for the answers of some hundred concurrent calls.
BYTES = 2 * 2**20
NAME = ".reserve"


@dataclass(frozen=True, slots=True)
class SpareRoom:
    """A file that is deleted when its space is needed. `folder` is None if the database is not on this machine."""

    folder: Path | None

    def keep(self) -> None:
        """Reserve the space, before any answer is bought.

        Raises:
            OSError: if the disk does not have it; the error names the file.
        """
        if self.folder is None or (self.folder / NAME).exists():
            return
        handle = os.open(self.folder / NAME, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, BYTES)
            else:
                os.write(handle, os.urandom(BYTES))
        except OSError as error:
            (self.folder / NAME).unlink(missing_ok=True)
            error.filename = str(self.folder / NAME)
            raise
        finally:
            os.close(handle)

    def give(self) -> bool:
        """Release the space; return False if none was reserved."""
        if self.folder is None or not (self.folder / NAME).exists():
            return False
        (self.folder / NAME).unlink(missing_ok=True)
        return True
