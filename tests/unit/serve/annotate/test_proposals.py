"""Labels that an update proposes, decided about on the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laud_ray.people.tokens import Person, PersonTokens
from laud_ray.store.run import claim, existing, look_at
from laud_ray.store.updates import proposals
from laud_ray.store.updates.proposals import Cluster
from serve.annotate.desk import Desk
from serve.annotate.routes import make_app
from serve.annotate.work import Work
from serve.origin import Origins
from tests.annotating import make_run, propose

from .conftest import TOKENS, Page


@pytest.fixture
def run(tmp_path: Path) -> Path:
    storage = make_run(tmp_path / "run", n=0)
    propose(
        storage,
        [
            Cluster("oat drink", None, ("oat drink 1 l", "oat drink plain"), 140, 112, 175),
            Cluster("rolls", "Bakery", ("bread rolls",), 30, 30, 30),
            Cluster("odds", None, ("a gift card",), 9, 9, 9),
        ],
    )
    return storage


@pytest.fixture
def people(run: Path, tmp_path: Path) -> Iterator[dict[str, Page]]:
    (tmp_path / "tokens").write_text(TOKENS)
    (tmp_path / "tokens").chmod(0o600)
    desk = Desk(str(run))
    work = Work(desk, anonymous=False)
    tokens = PersonTokens(str(tmp_path / "tokens"))
    app = make_app(work, tokens=tokens, alone=Person("local", "owner"), origins=Origins(("localhost",), ()))
    yield {name: Page(app, token) for name, token in (("ann", "aaa"), ("judge", "jjj"), ("boss", "ooo"))}
    desk.close()


def decide(page: Page, proposal: int, decision: str, **more: object) -> tuple[int, Any]:
    answer = page.ask("POST", "/v1/proposals", json={"proposal": proposal, "decision": decision, **more})
    return answer.status_code, answer.json()


def states(run: Path) -> list[tuple[str, str | None]]:
    with look_at(str(run)) as folder:
        return [(one.state, one.label) for one in proposals.every(folder.store.engine)]


def test_who_adjudicates_accepts_merges_and_refuses(people: dict[str, Page], run: Path) -> None:
    judge = people["judge"]
    first, second, _ = judge.get("/v1/proposals")["proposals"]
    assert (first["name"], first["size"], first["texts"]) == (
        "oat drink",
        {"value": 140, "low": 112, "high": 175},
        ["oat drink 1 l", "oat drink plain"],
    )
    assert second["fits"] == "Bakery"
    before = judge.get("/v1/progress")
    assert (before["proposals"], before["finished"]) == (3, False)
    assert before["step"] == "3 proposed labels wait for a decision; then `laud update` continues the run."
    status, found = decide(judge, 1, "accept", name="Plant milk")
    assert (status, found["said"]) == (200, "'Plant milk' is a label now.")
    assert [one["number"] for one in found["proposals"]] == [2, 3]
    assert decide(people["boss"], 2, "merge", label="bakery")[1]["said"] == "Its documents belong to 'Bakery'."
    assert decide(judge, 3, "refuse")[1] == {"said": "Proposal 3 is refused.", "proposals": []}
    assert states(run) == [("accepted", "Plant milk"), ("merged", "Bakery"), ("refused", None)]
    with look_at(str(run)) as folder:
        assert list(folder.config.task.names())[-1] == "Plant milk"
    after = judge.get("/v1/progress")
    assert (after["proposals"], after["labels"] != before["labels"]) == (0, True)


def test_what_is_not_valid_changes_nothing(people: dict[str, Page], run: Path) -> None:
    judge = people["judge"]

    def refused(page: Page, *asked: Any, **more: object) -> tuple[int, str, str]:
        status, found = decide(page, *asked, **more)
        return status, found["error"]["code"], found["error"]["message"]

    assert people["ann"].get("/v1/proposals") == {"proposals": []}
    assert people["ann"].get("/v1/progress")["proposals"] == 0
    assert refused(people["ann"], 1, "accept")[:2] == (403, "forbidden")
    status, code, message = refused(judge, 1, "accept", name="dairy")
    assert (status, code) == (422, "invalid")
    assert message == "'dairy' is not valid: there is 'Dairy' already; expected another name"
    assert refused(judge, 2, "merge", label="Toys")[:2] == (422, "invalid")
    assert refused(judge, 9, "refuse")[:2] == (409, "not_now")
    assert refused(judge, 1, "accept", run="0" * 32)[:2] == (409, "other_run")
    assert refused(judge, 1, "drop")[2] == 'decision: "drop" is not valid; expected accept, merge or refuse'
    with claim(existing(str(run))):
        status, code, message = refused(judge, 1, "refuse")
    assert (status, code) == (409, "not_now")
    assert "another process is working on this run" in message
    assert states(run) == [("open", None)] * 3
    assert decide(judge, 1, "refuse")[0] == 200
    status, code, message = refused(people["boss"], 1, "accept")
    assert (status, code) == (409, "decided")
    assert message == "proposal 1: somebody has decided about it already: it is refused"


def test_the_page_asks_for_a_token_and_a_known_origin(people: dict[str, Page]) -> None:
    nobody = Page(people["ann"].app)
    assert nobody.ask("GET", "/v1/proposals").status_code == 401
    assert decide(nobody, 1, "refuse")[0] == 401
    body = {"proposal": 1, "decision": "refuse"}
    foreign = people["judge"].ask("POST", "/v1/proposals", json=body, headers={"origin": "http://elsewhere.example"})
    assert foreign.status_code == 403
