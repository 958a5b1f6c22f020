"""What commands print: nothing that a terminal would obey, and no secret, whatever labels, names and texts hold."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from laud_ray import cli
from laud_ray.cli import output
from laud_ray.cli.console import Show
from laud_ray.cli.ending import TERMINATED
from laud_ray.events import Event

# A window's title, colours, the other direction, C1's CSI, a carriage return, a backspace, half a surrogate pair.
HOSTILE = "a\x1b]0;PWNED\x07b\x1b[31mc\u202ed\x9b2Je\rf\x08g\u2028h\ud800i\x00j"
ROOT = Path(__file__).parents[3]


def obeyed(text: str) -> list[str]:
    """The characters of a text that a terminal would obey, but for the colours that rich makes."""
    plain = re.sub(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]|\x1b\[2K|\r", "", text)
    return re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", plain)


def table() -> Table:
    made = Table("label", HOSTILE)
    made.add_row(HOSTILE, Text(HOSTILE))
    made.add_row("[link=file:///etc/passwd]x[/link]", ":skull:")
    return made


def test_views_show_control_characters(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    output.print_view(table())
    found = capsys.readouterr().out
    assert obeyed(found) == []
    assert r"\x1b]0;PWNED" in found
    assert "[link=file:///etc/passwd]x[/link]" in found
    assert ":skull:" in found


def test_a_bar_shows_them_and_keeps_its_own_controls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Progress(TextColumn("{task.description}", markup=False), console=output.terminal(err=True)) as bar:
        bar.add_task(HOSTILE, total=3)
    show = Show(output.terminal(err=True), None)
    show(Event("note", "score", 1, note=HOSTILE))
    found = capsys.readouterr().err
    assert "\x1b[" in found
    assert obeyed(found) == []


def test_lines_logs_and_tracebacks_show_them_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "http://ann:hush4Pass@host/v1"
    output.say(f"{HOSTILE}: {secret}\nsecond line")
    output.print_text(HOSTILE)
    record = logging.LogRecord("laud", logging.WARNING, "", 0, "%s %s", (HOSTILE, secret), None)
    formatted = output.ShownFormatter("%(levelname)s %(message)s").format(record)
    try:
        raise ValueError(f"{HOSTILE} {secret}")
    except ValueError as error:
        output.print_crash(type(error), error, error.__traceback__)
    found = capsys.readouterr()
    for text in (found.out, found.err, formatted):
        assert obeyed(text) == []
        assert "hush4Pass@" not in text.replace('secret = "http://ann:hush4Pass@host/v1"', "")
    assert found.err.splitlines()[1] == "laud: second line"
    assert "http://***@host/v1" in found.err


def test_json_is_one_object_with_everything_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"label": HOSTILE})
    found = capsys.readouterr().out
    assert obeyed(found) == []
    assert json.loads(found) == {"label": HOSTILE}


def test_nothing_is_printed_past_this_module() -> None:
    """Whoever prints in a command calls cli/output.py: click.echo and rich's Console are for it alone."""
    for file in (*(ROOT / "laud_ray").rglob("*.py"), *(ROOT / "jobs").glob("*.py")):
        if file.parent.name == "cli" and file.name in ("output.py", "terminal.py"):
            continue
        text = file.read_text()
        found = re.findall(r"click\.s?echo|(?<![.\w])print\(|\bConsole\(|sys\.std(?:out|err)\.write\((?!shown)", text)
        assert not found, file


@pytest.mark.parametrize("command", ["run", "relabel"])
def test_sigterm_is_one_line_and_143_also_before_ray_is_up(tmp_path: Path, command: str) -> None:
    """The process waits for a pipe that nobody writes, in the place of its first file."""
    os.mkfifo(tmp_path / "config.yaml")
    (tmp_path / "laud.db").write_bytes(b"x")
    run = [str(tmp_path / "config.yaml")]
    arguments = run if command == "run" else [str(tmp_path), str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    child = subprocess.Popen(
        [sys.executable, "-m", "laud_ray", command, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    # Opened for writing: that it can be means that the process is at it.
    handle = None
    while handle is None and child.poll() is None:
        try:
            handle = os.open(tmp_path / "config.yaml", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGTERM)  # as `timeout` does, to its child and to its group
    _, said = child.communicate(timeout=30)
    if handle is not None:
        os.close(handle)
    assert (child.returncode, said) == (TERMINATED, "laud: stopped; run the same command again to resume\n")


@pytest.mark.parametrize("address", ["s3://AKIAX:hush4Pass@bucket/names", "https://host/names.csv?sig=hush4Pass"])
def test_an_address_with_credentials_is_refused_without_showing_them(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["init", address, "--text", "text"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "expected a URL without credentials" in said
    assert "hush4Pass" not in said
