"""`laud annotate` in real Chromium, by keyboard. LAUD_PAGE_SHOTS=FOLDER keeps screenshots of it to look at."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from laud_ray.people.votes import StoredVote, current, votes
from laud_ray.store.run import look_at
from laud_ray.store.updates import proposals
from laud_ray.store.updates.proposals import Cluster
from tests.annotating import make_run, names, paths, propose
from tests.browser import DESKTOP, PHONE, chromium

MARKUP = '<img src=x onerror="document.title=1"><script>document.title=1</script><b>Brie</b>'
# What Chromium writes to the console when the server is away, or is killed in the middle of an answer.
AWAY = (
    "ERR_CONNECTION",
    "ERR_CONTENT_LENGTH_MISMATCH",
    "ERR_EMPTY_RESPONSE",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_INTERNET_DISCONNECTED",
    "ERR_NETWORK_CHANGED",
)
# Chromium also writes there what a server refuses; the page shows it.
REFUSED = "status of 422"
# Whether the page shows a question other than the one before; returns its text.
ANOTHER = """before => {
  const work = document.getElementById("work"), text = document.getElementById("text");
  return !work.hidden && text.textContent !== before && text.textContent;
}"""


@dataclass
class Server:
    """A `laud annotate` of its own, always on the same port."""

    run: Path
    options: tuple[str, ...] = ()
    process: "subprocess.Popen[str] | None" = None
    port: int = field(default=0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> "Server":
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "laud_ray", "annotate", str(self.run), "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == self.url.rstrip("/")
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(10)

    def votes(self) -> list[StoredVote]:
        with look_at(str(self.run)) as folder:
            return votes(folder.store.engine)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of one person; at the end its console must hold nothing but that the server was away."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    errors: list[str] = []
    context.on("console", lambda one: errors.append(one.text) if one.type in ("error", "warning") else None)
    context.on("weberror", lambda one: errors.append(str(one.error)))
    yield context
    context.close()
    assert [error for error in errors if not any(part in error for part in (*AWAY, REFUSED))] == []


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for one in started:
        if one.process is not None and one.process.poll() is None:
            one.stop(signal.SIGKILL)


def serve(servers: list[Server], run: Path, *options: str) -> Server:
    servers.append(Server(run, options))
    return servers[-1].start()


def shown(page: Page, before: str = "") -> str:
    """Wait for the next question, and return its text."""
    return str(page.wait_for_function(ANOTHER, arg=before, timeout=20_000).json_value())


def test_two_hundred_answers_by_keyboard_survive_reloads_a_lost_connection_and_a_killed_server(
    context: BrowserContext, servers: list[Server], tmp_path: Path
) -> None:
    labels, rng, n = names(1000), random.Random(7), 200
    server = serve(servers, make_run(tmp_path / "run", labels=labels, n=n, rules="hidden: 0.3"))
    page = context.new_page()
    page.goto(server.url)
    typed: dict[str, str] = {}
    text = ""
    for i in range(n):
        if i == 100:
            context.set_offline(True)
        elif i == 103:  # the three that were fetched ahead are answered
            context.set_offline(False)
        elif i == 150:
            server.stop(signal.SIGKILL)
        elif i == 153:
            server.start()
            page.reload()
            text = ""
        elif i == 60:
            page.reload()
            text = ""
        text = shown(page, text)
        digits = page.locator("#options .digit:visible").count()
        if digits and i % 3 == 0:
            digit = rng.randint(1, digits)
            typed[text] = page.locator("#options [role=option] bdi").nth(digit - 1).inner_text()
            page.keyboard.press(str(digit))
        else:
            typed[text] = rng.choice(labels)
            page.keyboard.type(typed[text])
            page.keyboard.press("Enter")
    expect(page.locator("#rest")).to_be_visible()
    expect(page.locator("#sent")).to_be_empty(timeout=20_000)
    assert page.evaluate("localStorage.length") == 0
    assert server.stop() == 128 + signal.SIGTERM
    stored = server.votes()
    with look_at(str(server.run)) as folder:
        texts = {one.query.document.id: one.query.document.text for one in folder.store.queries()}
    assert len(stored) == len(typed) == n
    assert {texts[f"d{one.vote.question - 1:05d}"]: one.vote.label for one in stored} == typed
    suggested = [one for one in stored if one.vote.shown is not None]
    assert 100 < len(suggested) < 180
    assert {one.vote.via for one in stored} == {"key", "search"}


def test_keys_do_what_they_say_and_nothing_while_one_types(
    context: BrowserContext, servers: list[Server], tmp_path: Path
) -> None:
    texts = [MARKUP, *(f"product {i}" for i in range(1, 9))]
    server = serve(servers, make_run(tmp_path / "run", labels=names(29), texts=texts, rules="hidden: 0.0"))
    page = context.new_page()
    page.goto(server.url)
    field, said = page.locator("#field"), page.locator("#said")
    assert shown(page) == MARKUP
    assert page.locator("main img, main script").count() == 0
    expect(field).to_be_focused()
    expect(page.locator("[aria-selected=true]")).to_have_count(0)
    page.keyboard.press("Enter")  # nothing is chosen
    expect(said).to_contain_text("No label is chosen")
    page.keyboard.type("ch2")
    expect(field).to_have_value("ch2")  # a digit is text here
    page.keyboard.press("Escape")
    expect(field).to_have_value("")
    page.keyboard.type("fro bre")
    expect(page.locator("[aria-selected=true] bdi")).to_have_text("Frozen Bread")
    assert field.get_attribute("aria-activedescendant") == page.locator("[aria-selected=true]").get_attribute("id")
    page.keyboard.press("Enter")
    assert shown(page, MARKUP) == "product 1"
    expect(said).to_have_text("Answered: Frozen Bread.")
    page.keyboard.press("Alt+z")
    assert shown(page, "product 1") == MARKUP
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("[aria-selected=true] bdi").inner_text()
    page.keyboard.press("Enter")
    assert shown(page, MARKUP) == "product 1"
    page.keyboard.press("Alt+n")
    page.keyboard.type("1 or 2? Enter")
    expect(page.locator("#comment")).to_have_value("1 or 2? Enter")
    page.keyboard.press("Escape")
    expect(field).to_be_focused()
    page.keyboard.press("Alt+u")
    assert shown(page, "product 1") == "product 2"
    page.keyboard.press("Alt+o")
    assert shown(page, "product 2") == "product 3"
    for held in ("keydown", "isComposing"):
        flag = "repeat" if held == "keydown" else held
        page.evaluate(
            "([flag]) => document.getElementById('field').dispatchEvent("
            "new KeyboardEvent('keydown', {key: '1', bubbles: true, cancelable: true, [flag]: true}))",
            [flag],
        )
    assert page.locator("#text").inner_text() == "product 3"
    page.keyboard.press("Alt+x")
    expect(page.locator("#examples")).to_contain_text("No text like this one has a label yet.")
    expect(page.locator("#past li")).to_have_count(3)
    expect(page.locator("#sent")).to_be_empty()
    server.stop()
    found = {one.vote.question: one.vote for one in current(server.votes())}
    assert [(one.answer, one.label, one.comment, one.via) for one in found.values()] == [
        ("label", chosen, None, "key"), ("unsure", None, "1 or 2? Enter", "key"), ("none", None, None, "key"),
    ]  # fmt: skip
    assert [one.vote.answer for one in server.votes()].count("undo") == 1


def test_two_tabs_of_one_person_and_a_second_person_never_answer_the_same_question(
    context: BrowserContext, servers: list[Server], tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("ann:annotator:aaa\nbob:owner:bbb\n")
    run = make_run(tmp_path / "run", n=12, rules="hidden: 0.0, team: 2, twice: 0.0, doubt: false")
    server = serve(servers, run, "--tokens", str(tokens))
    tabs = [context.new_page() for _ in range(3)]
    for page, token in zip(tabs, ("aaa", "aaa", "bbb"), strict=True):
        page.goto(f"{server.url}#token={token}")
        shown(page)
        assert "token" not in page.url
    texts = ["", "", ""]
    for _ in range(4):
        for i, page in enumerate(tabs):
            page.bring_to_front()
            texts[i] = shown(page, texts[i])
            page.keyboard.press("1")
    for page in tabs:
        expect(page.locator("#rest")).to_be_visible()
        expect(page.locator("#sent")).to_be_empty()
    expect(tabs[0].locator("#who")).to_contain_text("ann: 8 questions answered", timeout=10_000)
    server.stop()
    stored = server.votes()
    assert sorted(one.vote.question for one in stored) == list(range(1, 13))
    assert sorted(one.person for one in stored) == ["ann"] * 8 + ["bob"] * 4


def test_a_taxonomy_is_searched_and_walked_by_keyboard_and_never_sent_whole(
    context: BrowserContext, servers: list[Server], tmp_path: Path
) -> None:
    tree = paths()
    server = serve(servers, make_run(tmp_path / "run", labels=tree, tree=tree, n=8, rules="hidden: 0.0"))
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda one: sizes.append(len(one.body())) if "/v1/" in one.url else None)
    page.goto(server.url)
    text = shown(page)
    expect(page.locator("#field")).to_have_attribute("aria-haspopup", "tree")
    expect(page.locator("#options [role=group]").last.locator("[role=treeitem]")).to_have_count(10)
    suggested = page.locator("#options [role=treeitem]").first
    expect(suggested.locator("bdi")).to_have_text("Apples no. 0")
    expect(suggested.locator(".path")).to_have_text("Fresh food › Fresh Apples")
    page.keyboard.press("1")
    expect(page.locator("#said")).to_have_text("Answered: Apples no. 0 (Fresh Apples).")
    text = shown(page, text)
    page.keyboard.type("smoked fish 38")  # Enter comes before the answer of the server: it waits for that
    page.keyboard.press("Enter")
    text = shown(page, text)
    page.keyboard.type("canned milk")
    expect(page.locator("[aria-selected=true] bdi")).to_have_text("Canned Milk")
    page.keyboard.press("Enter")  # a branch: it is shown in the tree
    expect(page.locator("#field")).to_have_value("")
    expect(page.locator("[aria-selected=true][aria-expanded=true] bdi")).to_have_text("Canned Milk")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[aria-selected=true] bdi")).to_have_text("Canned Milk")
    page.keyboard.press("Alt+b")
    expect(page.locator("#said")).to_have_text("Answered: Canned Milk (Canned food).")
    text = shown(page, text)
    page.keyboard.press("Alt+b")
    expect(page.locator("#said")).to_contain_text("No branch is highlighted")
    page.keyboard.press("End")
    for name in ("Salted food", "Salted Apples", "Apples no. 0"):
        expect(page.locator("[aria-selected=true] bdi")).to_have_text(name)
        page.keyboard.press("ArrowRight")
        if name != "Apples no. 0":
            expect(page.locator("[aria-selected=true][aria-expanded=true] bdi")).to_have_text(name)
            page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    text = shown(page, text)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Alt+t")  # the first suggestion, among its siblings
    expect(page.locator("[aria-selected=true][aria-level='3']")).to_have_count(1)
    page.locator("[aria-expanded=true]").last.click()
    page.locator("#options .branch", has_text="Fresh Bread").last.click()
    page.locator("[aria-selected=true] .this").click()
    text = shown(page, text)
    page.keyboard.type("zzz")
    expect(page.locator("#hint")).to_contain_text("Nothing fits")
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+o")
    shown(page, text)
    expect(page.locator("#past .label").nth(1)).to_have_text("Fresh Bread Fresh food")
    expect(page.locator("#sent")).to_be_empty()
    server.stop()
    assert max(sizes) < 40_000
    assert [(one.vote.answer, one.vote.label, one.vote.via) for one in current(server.votes())] == [
        ("label", tree[0], "key"),
        ("label", next(one for one in tree if "Smoked Fish" in one and one.endswith(" 38")), "search"),
        ("label", "Canned food > Canned Milk", "key"),
        ("label", "Salted food > Salted Apples > Apples no. 0", "key"),
        ("label", "Fresh food > Fresh Bread", "mouse"),
        ("none", None, "key"),
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "scheme"), [(2, "dark"), (29, "light"), (1000, "dark"), (4800, "light")])
def test_nothing_stands_in_anybodys_way(
    browser: Browser, servers: list[Server], tmp_path: Path, count: int, scheme: str
) -> None:
    """axe-core finds nothing serious, on a desk and on a phone, and nothing is wider than the phone."""
    found = find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        pytest.skip("axe-playwright-python is not installed: `make install` brings it")
    axe = (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text()
    guideline = "Choose the shelf on which the shop keeps it."
    texts = ["organic gala apples 1 kg", *("supercalifragilistic" * 30 for _ in range(11))]
    rules = f"hidden: 0.0, guideline: {guideline!r}"
    labels, tree = (names(count), ()) if count <= 1000 else (paths(), paths())
    server = serve(servers, make_run(tmp_path / "run", labels=labels, texts=texts, rules=rules, tree=tree))
    shots = Path(os.environ.get("LAUD_PAGE_SHOTS", tmp_path))
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(server.url)
        shown(page)
        for typed in ("", "f"):
            page.keyboard.type(typed)
            expect(page.locator("#hint")).not_to_have_text("Searching ...")
            page.screenshot(path=shots / f"annotate-{count}-{name}-{scheme}{typed and '-typed'}.png")
            page.evaluate(axe)
            violations = page.evaluate("axe.run().then(({violations}) => violations)")
            serious = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in violations]
            assert serious == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        shown(page, texts[0] if name == "desktop" else "")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.screenshot(path=shots / f"annotate-{count}-{name}-{scheme}-long.png")
        context.close()


def test_several_labels_are_toggled_and_answered_together(
    context: BrowserContext, servers: list[Server], tmp_path: Path
) -> None:
    server = serve(servers, make_run(tmp_path / "run", labels=names(30), n=4, sets="at_most: 3"))
    page = context.new_page()
    page.goto(server.url)
    first = shown(page)
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("No label is chosen")
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("2")
    page.keyboard.type("smoked bread")
    page.keyboard.press("Enter")
    expect(page.locator("#chosen li")).to_have_count(2)
    expect(page.locator("#options [aria-checked=true]")).to_have_count(2)
    chosen = [one.removesuffix("\n×") for one in page.locator("#chosen li").all_inner_texts()]
    page.keyboard.press("Enter")
    second = shown(page, first)
    page.keyboard.press("Alt+o")
    shown(page, second)
    expect(page.locator("#past .label")).to_have_text(["no label", "; ".join(chosen)])
    page.locator("#past button").nth(1).click()  # change the first answer
    shown(page)
    expect(page.locator("#chosen li")).to_have_count(2)
    page.locator("#chosen button").first.click()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#past .label")).to_have_text([chosen[1], "no label"])
    expect(page.locator("#sent")).to_have_text("")
    assert {one.vote.label for one in current(server.votes())} == {f'["{chosen[1]}"]', "[]"}


def test_proposed_labels_are_decided_about_on_the_page(
    browser: Browser, context: BrowserContext, servers: list[Server], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", n=0)
    oat = ("Oat drink unsweetened 1 l", "Soy drink vanilla", MARKUP, "Almond drink barista", "Rice drink with calcium")
    propose(
        run,
        [
            Cluster("oat drink", None, oat, 140, 112, 175),
            Cluster("rolls", "Bakery", ("Bread rolls, 6 pieces", "Sesame rolls"), 30, 30, 30),
            Cluster("gift", None, ("Gift card",), 9, 9, 9),
        ],
    )
    server = serve(servers, run)
    shots = os.environ.get("LAUD_PAGE_SHOTS")
    for scheme, view in (("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE)) if shots else ():
        seen = browser.new_context(viewport=view, color_scheme=scheme, reduced_motion="reduce")
        page = seen.new_page()
        page.goto(server.url)
        page.get_by_role("heading", name="Proposed labels").wait_for()
        page.screenshot(path=f"{shots}/proposals-{scheme}-{view['width']}.png", full_page=True)
        seen.close()

    page = context.new_page()
    page.goto(server.url)
    rows = page.locator("#proposal-list > li")
    expect(rows).to_have_count(3)
    expect(page.locator("#rest-text")).to_contain_text("3 proposed labels wait for a decision")
    expect(rows.first).to_contain_text("About 140 documents [112, 175] of generation 2.")
    expect(rows.first).to_contain_text(MARKUP)
    expect(rows.nth(1)).to_contain_text("The label “Bakery” may fit.")
    rows.first.get_by_label("Name").fill("dairy")
    rows.first.get_by_role("button", name="Accept as a label").click()
    expect(rows.first.get_by_role("alert")).to_have_text(
        "'dairy' is not valid: there is 'Dairy' already; expected another name"
    )
    rows.first.get_by_label("Name").fill("Plant milk")
    rows.first.get_by_label("Name").press("Enter")
    expect(rows).to_have_count(2)
    expect(page.locator("#said")).to_have_text("'Plant milk' is a label now.")
    expect(rows.last.get_by_label("Label")).to_contain_text("Plant milk")  # the page has the new labels
    rows.first.get_by_role("button", name="Merge into it").click()
    expect(rows).to_have_count(1)
    rows.first.get_by_role("button", name="Refuse").click()
    expect(page.locator("#proposals")).to_be_hidden()
    with look_at(str(run)) as folder:
        found = [(one.state, one.label) for one in proposals.every(folder.store.engine)]
    assert found == [("accepted", "Plant milk"), ("merged", "Bakery"), ("refused", None)]
