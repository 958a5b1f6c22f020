"""A database for one computation."""

from pathlib import Path

import pytest

from laud_ray.errors import LaudError
from laud_ray.storage.local.spilling import spilling


def test_a_query_that_fails_names_the_work_and_the_memory(tmp_path: Path) -> None:
    with (
        pytest.raises(LaudError, match=f"^adding up failed under {tmp_path} with 64MB of memory: "),
        spilling(str(tmp_path), "adding up", "64MB", 1) as connection,
    ):
        connection.execute("SELECT nothing FROM nowhere")


@pytest.mark.parametrize(("message", "kind"), [("Query interrupted", KeyboardInterrupt), ("another", RuntimeError)])
def test_an_interrupted_query_interrupts_the_program(tmp_path: Path, message: str, kind: type[BaseException]) -> None:
    with pytest.raises(kind), spilling(str(tmp_path), "adding up", "64MB", 1):
        raise RuntimeError(message)
