"""The application of `laud annotate` without a network, on copies of one run."""

import asyncio
import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from laud_ray.people.tokens import Person, PersonTokens
from serve.annotate.desk import Desk
from serve.annotate.gate import Gate
from serve.annotate.routes import make_app
from serve.annotate.work import Work
from serve.origin import Origins
from tests.annotating import make_run

TOKENS = "ann:annotator:aaa\nbob:annotator:bbb\njudge:adjudicator:jjj\nboss:owner:ooo\n"


@dataclass
class Page:
    """What the browser of one person does; `token` None where none is asked for."""

    app: Gate
    token: str | None = None
    holder: str = "tab"

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **request)

        headers = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        request["headers"] = {**headers, **request.get("headers", {})}
        return asyncio.run(send())

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def next(self, n: int = 1) -> list[Any]:
        answer = self.ask("POST", "/v1/next", json={"n": n, "holder": self.holder})
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["questions"]
        return found

    def vote(self, question: str, label: str | None = None, /, **more: Any) -> httpx.Response:
        answer = {"answer": "label", "label": label} if label else {}
        body = {"id": str(uuid.uuid4()), "question": question, **answer, **more}
        content = json.dumps({"votes": [body], "holder": self.holder})  # which escapes half of a character
        return self.ask("POST", "/v1/votes", content=content, headers={"content-type": "application/json"})


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("annotate") / "run", rules="hidden: 0.0, team: 3, twice: 0.0")


@pytest.fixture
def run(template: Path, tmp_path: Path) -> Path:
    """12 questions for a team of three; a second one is asked where the first differs from the model."""
    return Path(shutil.copytree(template, tmp_path / "run"))


@pytest.fixture
def desk(run: Path) -> Iterator[Desk]:
    desk = Desk(str(run))
    yield desk
    desk.close()


@pytest.fixture
def people(desk: Desk, tmp_path: Path) -> dict[str, Page]:
    """The pages of ann, bob, judge and boss, by name, and that of nobody."""
    file = tmp_path / "tokens"
    file.write_text(TOKENS)
    app = make_app(
        Work(desk, anonymous=False),
        tokens=PersonTokens(str(file)),
        alone=Person("local", "owner"),
        origins=Origins((), ()),
    )
    named = {line.split(":")[0]: Page(app, line.split(":")[2]) for line in TOKENS.split()}
    return {**named, "nobody": Page(app)}


@pytest.fixture
def page(desk: Desk) -> Page:
    """The page of somebody alone, without tokens."""
    return Page(
        make_app(Work(desk, anonymous=True), tokens=None, alone=Person("local", "owner"), origins=Origins((), ()))
    )
