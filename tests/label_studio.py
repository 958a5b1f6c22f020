"""A real Label Studio of its own, on a free port, with its files in a temporary folder, and its users.

`make label-studio` installs it into an environment of its own; LAUD_LABEL_STUDIO names another environment.
"""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ENVIRONMENT = Path(os.environ.get("LAUD_LABEL_STUDIO", Path(__file__).parents[1] / ".venv-label-studio"))
OWNER, PASSWORD, LEGACY = "ann@example.com", "correct-horse-7", "0123456789abcdef0123456789abcdef01234567"
# The first start makes the tables: about 40 s of a processor.
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Studio:
    """A running Label Studio, whose owner is ann@example.com."""

    url: str

    def ask(self, method: str, path: str, body: object = None, token: str = LEGACY) -> Any:
        headers = {"authorization": f"Token {token}"}
        response = httpx.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=60)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json() if response.content else None

    def new_project(self) -> int:
        return int(self.ask("POST", "/api/projects/", {"title": "questions"})["id"])

    def tasks(self, project: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(
            "GET", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true"
        )
        return found

    def answer(self, task: int, choices: Sequence[str], token: str = LEGACY, **more: object) -> int:
        """Answer a task as the page of Label Studio does; return the number of the annotation."""
        result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": list(choices)}}]
        body = {"result": result if choices else [], "lead_time": 3.5, **more}
        return int(self.ask("POST", f"/api/tasks/{task}/annotations/", body, token)["id"])

    def sign_up(self, email: str) -> tuple[str, str]:
        """Add a user; return their old-style token and their personal access token."""
        with httpx.Client(base_url=self.url, timeout=60, headers={"referer": self.url}) as browser:
            form = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/user/signup/").text)
            assert form is not None
            said = {"csrfmiddlewaretoken": form[1], "email": email, "password": PASSWORD, "allow_newsletters": "false"}
            assert browser.post("/user/signup/", data=said).status_code == 302
            legacy = browser.get("/api/current-user/token").json()["token"]
            sign = {"x-csrftoken": browser.cookies["csrftoken"]}
            return legacy, browser.post("/api/token/", headers=sign).json()["token"]


def unavailable(reason: str) -> None:
    if os.environ.get("LAUD_NEED_LABEL_STUDIO") == "1":
        pytest.fail(f"LAUD_NEED_LABEL_STUDIO=1, and {reason}")
    pytest.skip(reason)


@contextmanager
def label_studio(folder: Path) -> Iterator[Studio]:
    """Start a Label Studio; skip where none is installed, unless LAUD_NEED_LABEL_STUDIO=1 forbids that."""
    command = ENVIRONMENT / "bin" / "label-studio"
    if not command.exists():
        unavailable(f"no Label Studio is at {ENVIRONMENT}: `make label-studio` installs it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "DJANGO_DB": "sqlite",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
    }
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LABEL_STUDIO", "VIRTUAL"))
    }
    options = ["--no-browser", "--internal-host", "127.0.0.1", "--port", str(port), "--username", OWNER]
    options += ["--password", PASSWORD, "--user-token", LEGACY, "--enable-legacy-api-token"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [str(command), "start", "--init", "first", *options],
            env=kept | settings,
            cwd=folder,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, folder / "log")
            yield Studio(url)
        finally:
            process.kill()
            process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"Label Studio does not start:\n{log.read_text(errors='replace')[-3000:]}")
