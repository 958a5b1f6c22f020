"""What must hold of the service's page without a browser."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVE = ROOT / "serve"
COLOUR = re.compile(r"(--[\w-]+): (#[0-9a-f]{6})")


def palettes(sheet: Path) -> list[dict[str, str]]:
    """The colours of the light and the dark :root, in this order."""
    return [dict(COLOUR.findall(block)) for block in re.findall(r":root \{(.*?)\}", sheet.read_text(), re.S)][:2]


def test_the_page_has_the_colours_of_the_report() -> None:
    for ours, report in zip(palettes(SERVE / "page.css"), palettes(ROOT / "laud_ray/report/run/page.css"), strict=True):
        assert len(ours) > 10
        assert ours.items() <= report.items()


@pytest.mark.parametrize("name", ["page.html", "page.css", "page.js"])
def test_the_page_loads_only_its_own_files_and_writes_no_markup(name: str) -> None:
    text = (SERVE / name).read_text()
    assert re.findall(r"https?:|//\w+\.|url\(|@import|innerHTML|insertAdjacent|document\.write|style=", text) == []
