"""Start what is killed on its way, in processes of their own: for tests."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def environment(address: str) -> dict[str, str]:
    """That of a process on the Ray at an address."""
    return {**os.environ, "RAY_ADDRESS": address}


def killed(address: str, *arguments: str | Path, timeout: float = 900) -> tuple[int, str]:
    """Call attempts.py; return the number of kills, and what the attempt that came to the end said."""
    command = [sys.executable, str(HERE / "attempts.py"), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment(address), capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    said, kills = done.stdout.strip().split("\n")[-2:]
    return int(kills.split()[0]), said
