"""A real Chromium for tests of pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
SWITCHES += ["--disable-background-networking", "--disable-component-update"]
DESKTOP, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser; skip where none is installed, unless LAUD_NEED_BROWSER=1 forbids that."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("LAUD_NEED_BROWSER") == "1":
            pytest.fail("LAUD_NEED_BROWSER=1, and no chromium is on PATH: `make system` installs it")
        pytest.skip("no chromium is on PATH: `make system` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=SWITCHES)
        yield browser
        browser.close()
