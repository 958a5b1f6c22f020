"""Room on the disk that is kept for answers which are paid for and still to come when everything else is full."""

import os
from dataclasses import dataclass
from pathlib import Path

# For the answers of some hundred calls that are in flight at once.
BYTES = 2 * 2**20
NAME = ".reserve"


@dataclass(frozen=True, slots=True)
class SpareRoom:
    """A file that is deleted when its room is needed. `folder` is None where the room is not on this machine."""

    folder: Path | None

    def keep(self) -> None:
        """Make sure that the room is there, before anything is bought.

        Raises:
            OSError: if the disk has no such room; it names the file.
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
        """Give the room away; False if there is none left to give."""
        if self.folder is None or not (self.folder / NAME).exists():
            return False
        (self.folder / NAME).unlink(missing_ok=True)
        return True
