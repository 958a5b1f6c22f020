"""The page of a service whose model gives sets of labels. LAUD_PAGE_SHOTS=FOLDER keeps screenshots to look at."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from laud_ray.models import kinds
from tests.browser import DESKTOP, PHONE, chromium
from tests.multilabels import LABELS, independent, multilabel_run
from tests.served import live

NAMES = ("green tea with milk", "still water 11", "cold brew")


@pytest.fixture(scope="module")
def service_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "load", independent)
        with live(run=str(multilabel_run(tmp_path_factory.mktemp("page") / "run"))) as client:
            yield str(client.base_url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service_url: str) -> Iterator[Page]:
    """A tab of the page, whose console must hold no error at the end."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page, errors = context.new_page(), list[str]()
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(service_url)
    expect(page.locator("#model")).to_be_visible()
    yield page
    context.close()
    assert errors == []


def classify(page: Page) -> list[dict]:
    page.get_by_label("Names, one per line").fill("\n".join(NAMES))
    with page.expect_response("**/v1/classify") as answered:
        page.get_by_role("button", name="Classify").click()
    return list(answered.value.json()["results"])


def test_each_name_has_its_labels_and_bars_with_thresholds(page: Page) -> None:
    expect(page.locator("#about")).to_contain_text("Its micro-F1 is 60.0 % (n = 60, 95 % interval [50.0, 70.0])")
    results = classify(page)
    rows = page.locator("#results > li")
    expect(rows).to_have_count(len(NAMES))
    assert {len(one["labels"]) for one in results} == {0, 1, 3}
    for row, one in zip(rows.all(), results, strict=True):
        names = [label["label"] for label in one["labels"]]
        expect(row.locator(".labels .chip")).to_have_text(names)
        if not names:
            expect(row.locator(".label")).to_have_text("no label")
        expect(row.locator(".level")).to_have_text(f"whole set {100 * one['confidence']:.1f} %")
        expect(row.locator(".bar bdi")).to_have_text([label["label"] for label in one["top"]])
        expect(row.locator(".bar.main bdi")).to_have_text(
            [label["label"] for label in one["top"] if label["label"] in names]
        )
        marks = row.locator(".bar i").evaluate_all(
            "bars => bars.map(bar => parseFloat(getComputedStyle(bar, '::after').left) / bar.clientWidth)"
        )
        assert marks == pytest.approx([label["threshold"] for label in one["top"]], abs=0.02)
    page.get_by_label("Unsure below").fill("100")
    unsure = sum(one["confidence"] < 1 for one in results)
    expect(page.locator("#summary")).to_contain_text(f"{unsure} unsure")


def test_a_set_is_corrected_with_toggles(page: Page) -> None:
    results = classify(page)
    row, seen = page.locator("#results > li").nth(0), [one["label"] for one in results[0]["labels"]]
    row.get_by_role("button", name="Wrong?").click()
    boxes = row.get_by_role("checkbox")
    assert [box.is_checked() for box in boxes.all()] == [True] * len(seen) + [False] * (boxes.count() - len(seen))
    for box in boxes.all()[: len(seen)]:
        box.uncheck()
    other = next(name for name in LABELS if name not in [one["label"] for one in results[0]["top"]])
    row.get_by_label("Another label").fill(other)
    row.get_by_role("button", name="Add label").click()
    expect(row.get_by_role("checkbox", name=other)).to_be_checked()
    with page.expect_response("**/v1/feedback") as answered:
        row.get_by_role("button", name="Save labels").click()
    sent = answered.value.request.post_data_json
    assert sent == {"text": NAMES[0], "labels": [other], "predicted": seen, "model": "round-0001"}
    assert answered.value.json()["stored"] is True
    expect(row.locator(".thanks")).to_have_text(f"Thank you: stored as {other}.")
    row.get_by_role("button", name="Wrong?").click()
    row.get_by_role("checkbox", name=other).uncheck()
    with page.expect_response("**/v1/feedback") as answered:
        row.get_by_role("button", name="Save labels").click()
    assert answered.value.request.post_data_json["labels"] == []
    expect(row.locator(".thanks")).to_have_text("Thank you: stored as no label.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(page: Page, scheme: str, tmp_path: Path) -> None:
    shots = Path(os.environ.get("LAUD_PAGE_SHOTS", tmp_path))
    page.emulate_media(color_scheme=scheme)
    classify(page)
    row = page.locator("#results > li").nth(0)
    row.get_by_role("button", name="Wrong?").click()
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.screenshot(path=shots / f"page-sets-{name}-{scheme}.png", full_page=True)
