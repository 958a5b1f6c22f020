"""The page of the service, in real Chromium. LAUD_PAGE_SHOTS=FOLDER keeps screenshots of it to look at."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser import DESKTOP, PHONE, chromium
from tests.served import live, serve_run

TOKEN = "let-me-in"
NAMES = ("Gouda jong 48+ slices 200g", "Earl Grey 25 bags", "Skyr natural 450g")
MARKUP = '<img src=x onerror="document.title=1"><b>Brie</b>'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serve_run(tmp_path_factory.mktemp("page") / "run")


@pytest.fixture(scope="module")
def service_url(run: Path) -> Iterator[str]:
    """The address of a service that anybody may ask."""
    with live(run=str(run)) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def guarded_url(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that asks for TOKEN."""
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(TOKEN)
    with live(run=str(run), tokens_file=str(file)) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def foreseen() -> set[str]:
    """Parts of the console errors that a test brings about; Chromium writes one for every answer of 400 and above."""
    return set()


@pytest.fixture
def page(browser: Browser, foreseen: set[str]) -> Iterator[Page]:
    """A fresh tab; at the end its console must hold nothing but what was foreseen."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert [error for error in errors if not any(part in error for part in foreseen)] == []


def classify(page: Page, *names: str) -> None:
    page.get_by_label("Names, one per line").fill("\n".join(names))
    page.get_by_role("button", name="Classify").click()


def rows(page: Page) -> Locator:
    return page.locator("#results > li")


def bar_widths(row: Locator) -> list[float]:
    return row.locator(".bar i").evaluate_all(
        "bars => bars.map(bar => parseFloat(getComputedStyle(bar, '::before').width) / bar.clientWidth)"
    )


def answer_with(page: Page, path: str, status: int, body: object, **headers: str) -> None:
    """Answer the next request for a path in the browser's network; the one after it reaches the service."""
    kind = "text/plain" if isinstance(body, str) else "application/json"
    text = body if isinstance(body, str) else json.dumps(body)

    def answer(route: Route) -> None:
        route.fulfill(status=status, body=text, headers={"content-type": kind, **headers})

    page.route(f"**{path}", answer, times=1)


def labels_of(page: Page, url: str) -> list[str]:
    return [label["name"] for label in page.request.get(f"{url}/v1/labels").json()["labels"]]


def test_a_name_that_cannot_be_classified_has_its_reason_and_the_others_their_labels(
    page: Page, service_url: str
) -> None:
    page.goto(service_url)
    classify(page, NAMES[0], "bad\x07name", NAMES[1])
    expect(rows(page)).to_have_count(3)
    bad = rows(page).nth(1)
    expect(bad.locator(".problem")).to_have_text(
        "This name has the control character U+0007 at character 3; expected none."
    )
    expect(bad.get_by_role("button")).to_have_count(0)
    expect(rows(page).nth(2).locator(".bar")).to_have_count(3)
    expect(page.locator("#summary")).to_contain_text("2 names classified by round-0001")
    expect(page.locator("#summary")).to_contain_text("1 cannot be classified.")
    page.get_by_label("Unsure below").fill("100")
    expect(page.locator("#summary")).to_contain_text("2 unsure; 1 cannot be classified.")


def test_the_documentation_comes_from_this_machine_alone(page: Page, service_url: str) -> None:
    pytest.importorskip("fastapi_offline")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{service_url}/docs")
    expect(page.locator(".opblock-summary-path", has_text="classify")).to_be_visible()
    page.locator(".opblock-summary", has_text="classify").click()
    expect(page.get_by_text("Classify one text or a list").first).to_be_visible()
    assert len(asked) >= 4
    assert [url for url in asked if not url.startswith((service_url, "data:"))] == []


def test_each_name_gets_its_label_and_bars_in_the_order_of_confidence(page: Page, service_url: str) -> None:
    page.goto(service_url)
    model = page.request.get(f"{service_url}/v1/model").json()
    expect(page.locator("#model")).to_have_text(model["name"])
    expect(page.locator("#about")).to_contain_text(model["version"])
    with page.expect_response("**/v1/classify") as answered:
        classify(page, NAMES[0], "", f"  {NAMES[1]}  ", NAMES[2])
    expect(rows(page)).to_have_count(3)
    expect(rows(page).locator(".name")).to_have_text(list(NAMES))
    for row, result in zip(rows(page).all(), answered.value.json()["results"], strict=True):
        expect(row.locator(".label")).to_have_text(result["label"])
        expect(row.locator(".bar bdi")).to_have_text([each["label"] for each in result["top"]])
        expect(row.locator(".bar b")).to_have_text([f"{100 * each['confidence']:.1f} %" for each in result["top"]])
        widths = bar_widths(row)
        assert widths == sorted(widths, reverse=True)
        assert widths == pytest.approx([each["confidence"] for each in result["top"]], abs=0.01)
    expect(page.locator("#summary")).to_have_text(
        f"3 names classified by {model['name']}, version {model['version']}; none unsure."
    )


def test_markup_in_a_name_is_shown_as_text(page: Page, service_url: str) -> None:
    page.goto(service_url)
    classify(page, MARKUP)
    expect(rows(page).locator(".name")).to_have_text(MARKUP)
    assert page.locator("main img").count() == 0
    assert page.title() == "LAUD classifier"


def test_markup_in_a_label_or_an_error_is_shown_as_text(page: Page, service_url: str, foreseen: set[str]) -> None:
    page.goto(service_url)
    expect(page.locator("#model")).to_be_visible()
    version = page.request.get(f"{service_url}/v1/model").json()["version"]
    top = [{"label": MARKUP, "confidence": 0.9}, {"label": "<i>", "confidence": 0.1}]
    result = {"label": MARKUP, "confidence": 0.9, "abstained": False, "top": top}
    answer_with(page, "/v1/classify", 200, {"model": {"name": "<u>", "version": version}, "results": [result]})
    classify(page, "Brie")
    expect(rows(page).locator(".label")).to_have_text(MARKUP)
    expect(rows(page).locator(".bar bdi")).to_have_text([MARKUP, "<i>"])
    foreseen.add("status of 422")
    answer_with(page, "/v1/classify", 422, {"error": {"code": "invalid", "message": f"texts[0]: {MARKUP}"}})
    classify(page, "Brie")
    expect(page.locator("#error")).to_have_text(f"texts[0]: {MARKUP}")
    assert page.locator("main img").count() == 0


def test_a_token_is_asked_for_kept_for_the_tab_and_forgotten(page: Page, guarded_url: str, foreseen: set[str]) -> None:
    foreseen.add("status of 401")
    page.goto(guarded_url)
    token = page.get_by_label("Bearer token")
    expect(token).to_be_focused()
    expect(page.locator("#error")).to_contain_text("token")
    token.fill("wrong")
    token.press("Enter")
    expect(token).to_have_value("")
    expect(token).to_be_visible()
    classify(page, *NAMES)
    token.fill(TOKEN)
    page.get_by_role("button", name="Use token").click()
    expect(rows(page)).to_have_count(3)  # what was refused is done without asking again
    expect(page.locator("#model")).to_be_visible()
    expect(token).to_be_hidden()
    expect(page.locator("#error")).to_be_empty()
    assert page.evaluate("[Object.values(sessionStorage), localStorage.length, document.cookie]") == [[TOKEN], 0, ""]
    page.reload()
    expect(page.locator("#model")).to_be_visible()
    page.get_by_role("button", name="Forget the token").click()
    assert page.evaluate("sessionStorage.length") == 0
    classify(page, *NAMES)
    expect(token).to_be_focused()


def test_a_correction_is_posted_and_thanked_for(page: Page, service_url: str) -> None:
    page.goto(service_url)
    classify(page, *NAMES)
    row = rows(page).nth(1)
    predicted, right = row.locator(".label").inner_text(), labels_of(page, service_url)[-1]
    expect(page.locator("#labels option")).to_have_count(len(labels_of(page, service_url)))
    row.get_by_role("button", name="Wrong?").press("Enter")
    field = row.get_by_label("The right label")
    expect(field).to_be_focused()
    assert field.evaluate("field => [...field.list.options].map(o => o.value)") == labels_of(page, service_url)
    field.fill(right)
    with page.expect_response("**/v1/feedback") as answered:
        field.press("Enter")
    model = page.locator("#model").inner_text()
    sent = {"text": NAMES[1], "label": right, "predicted": predicted, "model": model}
    assert answered.value.request.post_data_json == sent
    assert answered.value.json()["stored"] is True
    expect(row.locator(".thanks")).to_have_text(f"Thank you: stored as {right}.")
    expect(row.get_by_role("button", name="Wrong?")).to_be_focused()
    expect(field).to_be_hidden()


def test_a_name_can_be_called_wrong_without_a_right_label(page: Page, service_url: str) -> None:
    page.goto(service_url)
    classify(page, *NAMES)
    row = rows(page).first
    row.get_by_role("button", name="Wrong?").click()
    with page.expect_response("**/v1/feedback") as answered:
        row.get_by_role("button", name="Only say it is wrong").click()
    sent = answered.value.request.post_data_json
    assert (sent["text"], sent["wrong"], "label" in sent) == (NAMES[0], True, False)
    expect(row.locator(".thanks")).to_have_text("Thank you: stored as wrong.")


def test_an_unknown_label_is_refused_in_its_row(page: Page, service_url: str, foreseen: set[str]) -> None:
    foreseen.add("status of 422")
    page.goto(service_url)
    classify(page, *NAMES)
    row = rows(page).last
    row.get_by_role("button", name="Wrong?").click()
    row.get_by_label("The right label").fill("Vegetabels")
    with page.expect_response("**/v1/feedback") as answered:
        row.get_by_role("button", name="Save label").click()
    expect(row.locator(".problem")).to_have_text(answered.value.json()["error"]["message"])
    expect(row.locator(".problem")).to_contain_text("did you mean")
    expect(row.locator(".thanks")).to_be_empty()
    expect(page.locator("#error")).to_be_empty()


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (
            429,
            {"error": {"code": "overloaded", "message": "64 requests are waiting, at most 64 may"}},
            {"retry-after": "2"},
            "64 requests are waiting, at most 64 may. Try again in 2 seconds.",
        ),
        (
            503,
            {"error": {"code": "no_model", "message": "no model is loaded yet."}},
            {"retry-after": "1"},
            "no model is loaded yet. Try again in 1 second.",
        ),
        (503, "upstream connect error", {}, "The service answered 503 Service Unavailable. Try again in a moment."),
    ],
)
def test_an_overloaded_service_asks_for_patience(
    page: Page, service_url: str, foreseen: set[str], status: int, body: object, headers: dict[str, str], said: str
) -> None:
    foreseen.add(f"status of {status}")
    page.goto(service_url)
    answer_with(page, "/v1/classify", status, body, **headers)
    classify(page, *NAMES)
    expect(page.get_by_role("alert").filter(has_text="Try again")).to_have_text(said)
    expect(rows(page)).to_have_count(0)
    page.get_by_role("button", name="Classify").click()
    expect(rows(page)).to_have_count(3)
    expect(page.locator("#error")).to_be_empty()


def test_a_service_that_is_gone_is_said(page: Page, service_url: str, foreseen: set[str]) -> None:
    page.goto(service_url)
    expect(page.locator("#model")).to_be_visible()
    foreseen.add("ERR_CONNECTION_REFUSED")
    page.route("**/v1/classify", lambda route: route.abort("connectionrefused"), times=1)
    classify(page, *NAMES)
    expect(page.locator("#error")).to_have_text("The service cannot be reached. Try again in a moment.")


def test_the_threshold_marks_at_once_and_counts_in_the_next_request(page: Page, service_url: str) -> None:
    page.goto(service_url)
    with page.expect_request("**/v1/classify") as first:
        classify(page, *NAMES)
    assert "threshold" not in first.value.post_data_json  # the service's own counts until somebody chooses
    expect(page.get_by_text("unsure", exact=True)).to_have_count(3)
    expect(page.locator(".chip.unsure:visible")).to_have_count(0)
    slider = page.get_by_label("Unsure below")
    slider.fill("100")
    expect(page.locator(".chip.unsure:visible")).to_have_count(3)
    expect(page.locator("#summary")).to_contain_text("3 unsure")
    slider.press("Home")
    expect(page.locator(".chip.unsure:visible")).to_have_count(0)
    slider.fill("40")
    with page.expect_request("**/v1/classify") as second:
        page.get_by_label("Names, one per line").press("Control+Enter")
    assert second.value.post_data_json["threshold"] == 0.4


def test_nothing_is_wider_than_a_phone(page: Page, service_url: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(service_url)
    classify(page, *NAMES, "Supercalifragilistic" * 8, MARKUP)
    rows(page).first.get_by_role("button", name="Wrong?").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Page, service_url: str, scheme: str, tmp_path: Path) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1. Every element with text of its own is measured against the nearest background."""
    page.emulate_media(color_scheme=scheme)
    page.goto(service_url)
    classify(page, *NAMES, MARKUP)
    page.get_by_label("Unsure below").fill("60")
    first = rows(page).first
    first.get_by_role("button", name="Wrong?").click()
    first.get_by_role("button", name="Only say it is wrong").click()
    expect(first.locator(".thanks")).not_to_be_empty()
    rows(page).nth(1).get_by_role("button", name="Wrong?").click()
    page.evaluate("document.getElementById('access').hidden = false")
    page.evaluate("document.getElementById('error').textContent = 'One clear line of what went wrong.'")
    shots = Path(os.environ.get("LAUD_PAGE_SHOTS", tmp_path))
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        page.set_viewport_size(size)
        page.evaluate(PAINTED)  # a screenshot just after a change of size can lack parts
        page.screenshot(path=shots / f"page-{name}-{scheme}.png", full_page=True)
    assert page.evaluate(CONTRAST) == []


PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
CONTRAST = """() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => channels(color).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    const color = getComputedStyle(element).backgroundColor;
    return channels(color)[3] === 0 ? ground(element.parentElement) : color;
  };
  const spoken = [...document.querySelectorAll('main *')].filter(element => element.checkVisibility() &&
    [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
  return spoken.map(element => {
    const [low, high] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => a - b);
    return [element.className || element.tagName, (high + 0.05) / (low + 0.05)];
  }).filter(([, ratio]) => ratio < 4.5);
}"""
