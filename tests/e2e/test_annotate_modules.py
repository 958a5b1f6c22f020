"""The parts of the annotators' page that know no page: search, keys, time, and answers on their way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser import chromium

FOLDER = Path(__file__).parents[2] / "serve/annotate"
SITE = "http://page.test/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page that can import the modules; there is no server."""
    context = browser.new_context()

    def file(route: Route) -> None:
        name = route.request.url.removeprefix(SITE)
        if name:
            route.fulfill(body=(FOLDER / name).read_text(), content_type="text/javascript")
        else:
            route.fulfill(body="<title>empty</title>", content_type="text/html")

    context.route("**/*", file)
    page = context.new_page()
    page.goto(SITE)
    yield page
    context.close()


def run(page: Page, module: str, body: str, *arguments: object) -> Any:
    """Run the body of a function of (module, arguments) in the page."""
    return page.evaluate(f"async (args) => {{ const m = await import('/{module}'); {body} }}", list(arguments))


LABELS = [
    {"name": "Yogurt", "description": "plain and flavoured"},
    {"name": "Frozen yogurt", "description": None},
    {"name": "Greek style yogurt drink", "description": None},
    {"name": "Cr\u00e8me fra\u00eeche", "description": "thick sour cream"},
    {"name": "Ice cream", "description": "frozen desserts"},
    {"name": "3D printers", "description": None},
    {"name": "Yo", "description": None},
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("yogurt", ["Yogurt", "Frozen yogurt", "Greek style yogurt drink"]),
        ("YO", ["Yo", "Yogurt", "Frozen yogurt", "Greek style yogurt drink"]),
        ("gre yog", ["Greek style yogurt drink"]),
        ("yog gre", ["Greek style yogurt drink"]),
        ("creme", ["Cr\u00e8me fra\u00eeche"]),
        ("sour", ["Cr\u00e8me fra\u00eeche", "Greek style yogurt drink"]),  # s, o, u and r are in style yogurt
        ("frozen", ["Frozen yogurt", "Ice cream"]),
        ("fyg", ["Frozen yogurt"]),
        (" 3", ["3D printers"]),
        ("ogur", ["Yogurt", "Frozen yogurt", "Greek style yogurt drink"]),
        ("zzz", []),
    ],
)
def test_search_has_prefixes_before_word_starts_before_letters_in_order(
    page: Page, query: str, found: list[str]
) -> None:
    rows = run(page, "search.js", "return new m.LabelIndex(args[0]).find(args[1]).rows", LABELS, query)
    assert [LABELS[row]["name"] for row in rows] == found


def test_every_label_is_first_for_its_own_name_and_fifty_are_drawn(page: Page) -> None:
    labels = [{"name": f"{kind} {i}", "description": None} for i in range(500) for kind in ("Item", "Item of", "item-")]
    body = """const index = new m.LabelIndex(args[0]);
      return [args[0].findIndex(({name}, i) => index.find(name).rows[0] !== i), index.find("item"), index.find("")]"""
    wrong, some, every = run(page, "search.js", body, labels)
    assert wrong == -1
    assert (len(some["rows"]), some["total"], len(every["rows"]), every["total"]) == (50, 1500, 50, 1500)


@pytest.mark.parametrize(
    ("event", "empty", "meaning"),
    [
        ({"key": "1"}, True, {"kind": "choose", "index": 0}),
        ({"key": "1"}, False, None),
        ({"key": "4"}, True, None),
        ({"key": "0"}, True, None),
        ({"key": "1", "repeat": True}, True, {"kind": "none"}),
        ({"key": "1", "ctrlKey": True}, True, None),
        ({"key": "Enter"}, False, {"kind": "answer"}),
        ({"key": "Enter", "repeat": True}, False, {"kind": "none"}),
        ({"key": "Enter", "isComposing": True}, False, None),
        ({"key": "Enter", "keyCode": 229}, False, None),
        ({"key": "Home"}, False, None),
        ({"key": "Home"}, True, {"kind": "edge", "last": False}),
        ({"key": "u"}, True, None),
        ({"key": "u", "altKey": True}, True, {"kind": "command", "name": "unsure"}),
        ({"key": "U", "altKey": True, "code": "KeyU"}, False, {"kind": "command", "name": "unsure"}),
        ({"key": "\u00a8", "altKey": True, "code": "KeyU"}, False, {"kind": "command", "name": "unsure"}),
        ({"key": "y", "altKey": True, "code": "KeyZ"}, False, None),
        ({"key": "z", "altKey": True, "ctrlKey": True}, False, None),
        ({"key": "z", "altKey": True, "repeat": True}, False, {"kind": "none"}),
    ],
)
def test_keys(page: Page, event: dict[str, object], empty: bool, meaning: dict[str, object] | None) -> None:
    assert run(page, "keys.js", "return m.meaning(args[0], {empty: args[1], digits: 3})", event, empty) == meaning


@pytest.mark.parametrize(
    ("event", "tree", "empty", "meaning"),
    [
        ({"key": "ArrowRight"}, True, True, {"kind": "unfold"}),
        ({"key": "ArrowLeft"}, True, True, {"kind": "fold"}),
        ({"key": "ArrowRight"}, True, False, None),
        ({"key": "ArrowRight"}, False, True, None),
        ({"key": "b", "altKey": True}, True, False, {"kind": "command", "name": "branch"}),
        ({"key": "t", "altKey": True}, True, True, {"kind": "command", "name": "tree"}),
        ({"key": "b", "altKey": True}, False, True, None),
    ],
)
def test_keys_that_only_a_tree_has(
    page: Page, event: dict[str, object], tree: bool, empty: bool, meaning: dict[str, object] | None
) -> None:
    body = "return m.meaning(args[0], {empty: args[1], digits: 3, tree: args[2]})"
    assert run(page, "keys.js", body, event, empty, tree) == meaning


def test_the_nodes_of_a_tree_are_asked_for_once_and_have_lasting_numbers(page: Page) -> None:
    """The server has a branch of five, of which it sends two at a time."""
    body = """
      const asked = [], wide = ["a", "b", "c", "d", "e"];
      const row = (above, name, leaves) => ({label: [...above, name].join(" > "), name, above, leaves});
      const part = (from) => ({from, rows: wide.slice(from, from + 2).map((name) => row(["All"], name, 0)), total: 5});
      const get = async (path) => {
        asked.push(path);
        const query = new URLSearchParams(path.split("?")[1]);
        if (query.has("find")) return {rows: [row(["All"], query.get("find"), 0)], total: 7};
        if (query.has("at")) {
          const top = {under: null, from: 0, rows: [row([], "All", 5)], total: 1};
          return {levels: [top, {under: "All", ...part(2)}]};
        }
        return part(Number(query.get("from") ?? 0));
      };
      const parts = [{under: null, from: 0, rows: [row([], "All", 5)], total: 1}];
      const index = new m.NodeIndex({parts, separator: " > ", leaves: 5, nodes: 6, levels: 2}, get);
      const names = (number) => index.below(number).rows.map((one) => index.labels[one].last).join("");
      const seen = [];
      await index.unfold(0); await index.unfold(0); seen.push(names(0));
      await index.more(0, true); seen.push(names(0));
      await index.find("e"); await index.find(" e ");
      const e = index.found("e").rows[0];
      seen.push(index.labels[e].name, index.found("e").total, index.parent(e), index.parent(0), index.isLeaf(0));
      seen.push(await index.lead(index.number("All > d")), names(0), index.below(0).from);
      await index.more(0, false); seen.push(names(0), index.below(0).from);
      return [seen, asked.length, index.labels.length, m.split("All > e", " > ")]"""
    found = run(page, "nodes.js", body)
    assert found == [
        ["ab", "abcd", "All > e", 7, 0, None, False, [0], "cd", 2, "abcd", 0],
        5,
        6,
        {"name": "e", "above": ["All"]},
    ]


def test_only_time_in_which_somebody_works_counts(page: Page) -> None:
    body = """const clock = new m.ActiveClock(0), s = 1000;
      clock.input(10 * s);
      clock.visible(false, 20 * s); clock.visible(true, 500 * s);   // away
      clock.input(510 * s);
      const idle = clock.seconds(900 * s);                          // a minute after the last input
      clock.start(1000 * s);
      return [idle, clock.seconds(1002.5 * s)]"""
    assert run(page, "clock.js", body) == [20 + 10 + 60, 2.5]


def test_fast_answers_in_a_row_are_noticed_once(page: Page) -> None:
    body = "const haste = new m.Haste(); return args[0].map(s => haste.isHasty(s))"
    seconds = [0.5, 0.5, 0.5, 2, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    assert run(page, "clock.js", body, seconds) == [False] * 7 + [True, False, False]


def test_ids_are_uuids_also_without_a_secure_context(page: Page) -> None:
    body = """const old = {getRandomValues: a => crypto.getRandomValues(a)};
      const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
      return [m.uuid(old), m.uuid(old), form.test(m.uuid(old))]"""
    first, second, valid = run(page, "outbox.js", body)
    assert valid
    assert first != second


def test_answers_are_kept_until_acknowledged_and_only_the_one_at_fault_is_refused(page: Page) -> None:
    body = """const box = new m.Outbox(localStorage, "run", "ann"), other = new m.Outbox(localStorage, "run", "bob");
      for (const id of ["a", "b", "c"]) box.add({id}, 5);
      const posts = [], failures = [], refused = [];
      const sender = new m.Sender(box, {
        post: async votes => {
          posts.push(votes.map(({id}) => id).join(""));
          if (posts.length === 1) throw Object.assign(new Error("away"), {final: false});
          if (votes.some(({id}) => id === "b")) throw Object.assign(new Error("no such label"), {final: true});
          return {receipts: votes};
        },
        acknowledged: () => {}, refused: ({id}) => { refused.push(id); box.drop(id); },
        failed: error => failures.push(error.message), pause: async () => {},
      });
      await sender.kick();
      return {posts, failures, refused, left: localStorage.length, others: other.waiting().length}"""
    assert run(page, "outbox.js", body) == {
        "posts": ["abc", "abc", "a", "b", "c"], "failures": ["away"], "refused": ["b"], "left": 0, "others": 0,
    }  # fmt: skip


def test_only_the_servers_own_refusal_is_final(page: Page) -> None:
    body = "return args[0].map(([status, code]) => new m.ServerError(status, 'why', {code}).final)"
    answers = [
        [422, "invalid"],
        [422, None],
        [404, None],
        [413, None],
        [409, "other_run"],
        [410, "run_gone"],
        [0, None],
    ]
    assert run(page, "client.js", body, answers) == [True] + [False] * 6


def test_answers_outlive_the_page_in_their_order_and_a_full_storage_keeps_them_in_memory(page: Page) -> None:
    add = """const box = new m.Outbox(localStorage, "run", "ann");
      for (let i = 0; i < 12; i++) box.add({id: `id-${i}`}, 1000);
      localStorage.setItem("laud-annotate/run/ann/broken", "{");"""
    run(page, "outbox.js", add)
    page.reload()
    body = """const box = new m.Outbox(localStorage, "run", "ann");
      const full = new m.Outbox({length: 0, key() {}, getItem() { return null }, removeItem() {},
        setItem() { throw new Error("QuotaExceededError"); }}, "run", "ann");
      return [box.waiting().map(({id}) => id), box.oldest(), full.add({id: "x"}, 1), full.waiting().length]"""
    ids, oldest, kept, waiting = run(page, "outbox.js", body)
    assert ids == [f"id-{i}" for i in range(12)]
    assert (oldest, kept, waiting) == (1000, False, 1)


def test_options_of_few_labels_keep_their_digits_and_suggestions_come_first_of_many(page: Page) -> None:
    body = """const {LabelIndex} = await import("/search.js");
      const shown = (n, candidates) => m.offered({candidates, answers: null},
        new LabelIndex(Array.from({length: n}, (_, i) => ({name: `L${i}`}))), "")
        .groups.map(({title, rows}) => [title, rows.length, rows.slice(0, 2).map(row)]);
      const row = ({label, digit, probability}) => [label, digit, probability ?? null];
      const two = [["L1", 0.9], ["L0", 0.1]];
      return [shown(2, two), shown(2, null), shown(29, two), shown(29, null), shown(1000, two), shown(1000, null)]"""
    assert run(page, "options.js", body) == [
        [[None, 2, [[0, 1, 0.1], [1, 2, 0.9]]]],
        [[None, 2, [[0, 1, None], [1, 2, None]]]],
        [["Suggested", 2, [[1, 1, 0.9], [0, 2, 0.1]]], ["All others", 27, [[2, None, None], [3, None, None]]]],
        [[None, 29, [[0, None, None], [1, None, None]]]],
        [["Suggested", 2, [[1, 1, 0.9], [0, 2, 0.1]]]],
        [],
    ]


def test_labels_are_chosen_within_the_limits_of_an_answer(page: Page) -> None:
    found = run(
        page,
        "sets.js",
        """
        const limits = { at_most: 2, exclusive: [["a", "b"], ["b", "c"]] };
        const chosen = new m.Chosen([..."abcd"].map((name) => ({ name })), limits);
        const steps = [0, 3, 2, 1, 1, 2].map((label) => [chosen.toggle(label), chosen.labels]);
        return steps;
        """,
    )
    assert found == [
        [{"on": True, "removed": []}, [0]],
        [{"on": True, "removed": []}, [0, 3]],
        [{"full": 2}, [0, 3]],
        [{"on": True, "removed": [0]}, [3, 1]],
        [{"on": False, "removed": []}, [3]],
        [{"on": True, "removed": []}, [3, 2]],
    ]


def test_an_adjudicator_sees_how_many_chose_each_label(page: Page) -> None:
    found = run(
        page,
        "options.js",
        """
        const labels = [..."abcdefghijk"].map((name) => ({ name }));
        const unsure = { labels: null, label: null, count: 1 };
        const answers = [{ labels: ["c", "a"], count: 2 }, { labels: ["a"], count: 1 }, unsure];
        const { groups } = m.offered({ answers, candidates: null }, { labels }, "");
        return groups[0].rows.map(({ label, votes }) => [label, votes]);
        """,
    )
    assert found == [[2, 2], [0, 3]]
