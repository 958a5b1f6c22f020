"""A folder in an object store, on a real server that speaks S3: whole files, long listings, faults, plain errors."""

import os
import re
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from laud_ray import config
from laud_ray.data.sources import read
from laud_ray.errors import ConfigError, StorageError, StorageSettingsError, UserError
from laud_ray.storage.folder import Entry, Folder
from laud_ray.storage.listing import find_files, list_inputs
from tests.s3 import s3_server

BUCKET = "laud-tests"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server(BUCKET) as url:
        yield url


@pytest.fixture
def folder(endpoint: str, request: pytest.FixtureRequest) -> Folder:
    return Folder(f"s3://{BUCKET}/{request.node.originalname}")


def test_write_read_list_delete(folder: Folder) -> None:
    assert folder.names() == set()
    folder.write("x.txt", b"one")
    folder.write("x.txt", b"two!")
    (folder / "deep").write("y", b"")
    assert (folder.names(), folder.read("x.txt")) == ({"x.txt"}, b"two!")
    assert [(e.path, e.size) for e in folder.entries(recursive=True)] == [("deep/y", 0), ("x.txt", 4)]
    assert all(e.modified for e in folder.entries())
    assert folder.exists("deep/y")
    with pytest.raises(FileNotFoundError):
        folder.read("none")
    folder.delete("x.txt")
    folder.delete("x.txt")
    assert folder.names() == set()
    folder.remove()
    folder.remove()
    assert not folder.exists("deep/y")


def test_a_name_is_taken_as_it_stands(folder: Folder) -> None:
    name = "kind=a%2Fb & c#1?é"
    (folder / name).write("part.parquet", b"1")
    keys = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{folder.uri.partition(BUCKET)[2][1:]}/kind=")
    assert [found["Key"].split("/", 1)[1] for found in keys["Contents"]] == [f"{name}/part.parquet"]
    assert (folder / name).names() == {"part.parquet"}
    assert [entry.path for entry in list_inputs(folder.uri)] == [f"{folder.uri}/{name}/part.parquet"]


def test_more_files_than_one_listing_holds(folder: Folder) -> None:
    client, prefix = boto3.client("s3"), folder.uri.partition(BUCKET)[2][1:]
    for i in range(1001):
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/part-{i:05}", Body=b"z")
    assert folder.names() == {f"part-{i:05}" for i in range(1001)}
    folder.remove()
    assert folder.names() == set()


def test_a_large_file_goes_in_parts_and_is_whole(folder: Folder) -> None:
    data = os.urandom(1 << 20) * 23
    folder.write("large", data)
    assert folder.read("large") == data
    (entry,) = folder.entries()
    assert entry.size == len(data)


def test_an_upload_that_a_crash_cut_off_is_nowhere_to_be_seen(folder: Folder) -> None:
    client, prefix = boto3.client("s3"), folder.uri.partition(BUCKET)[2][1:]
    begun = client.create_multipart_upload(Bucket=BUCKET, Key=f"{prefix}/part-00000.parquet")
    client.upload_part(
        Bucket=BUCKET,
        Key=f"{prefix}/part-00000.parquet",
        PartNumber=1,
        UploadId=begun["UploadId"],
        Body=b"1" * (5 << 20),
    )
    assert folder.names() == set()
    assert not folder.exists("part-00000.parquet")
    assert list_inputs(folder.uri) == []
    folder.write("part-00000.parquet", b"whole")
    assert folder.read("part-00000.parquet") == b"whole"


def test_publish_and_fetch_what_is_there_now(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    for content in ("one", "two"):
        source = tmp_path / "scratch"
        (source / "adapter").mkdir(parents=True)
        (source / "adapter" / "w").write_text(content)
        (source / "model.json").write_text("{}")
        folder.publish(source, "m", last="model.json")
        assert not source.exists()
        copy = (folder / "m").fetch("models")
        assert copy.joinpath("adapter", "w").read_text() == content
        assert copy.name == "m"
        assert (folder / "m").fetch("models") == copy
        (folder / "m").remove()
    assert not list((tmp_path / "cache").rglob(".*"))
    with pytest.raises(FileNotFoundError, match="is empty or does not exist"):
        (folder / "none").fetch("models")


@pytest.mark.parametrize("place", ["local", "s3"])
def test_globs_are_the_same_everywhere(place: str, folder: Folder, tmp_path: Path) -> None:
    there = Folder(str(tmp_path)) if place == "local" else folder
    for name in ("2024/a.csv", "2024/b.csv", "2024/_b.csv", "2025/a.csv", "2025/deep/a.csv", "2025/.h.csv", "c1.csv"):
        there.write(name, b"text\nx\n")

    def found(pattern: str) -> list[str]:
        names = [path for _, path in find_files(f"{there.uri}/{pattern}")]
        root = there.uri.removeprefix("s3://")
        assert [entry.path for entry in list_inputs(f"{there.uri}/{pattern}")] == [
            f"s3://{name}" if place == "s3" else name for name in names
        ]
        return [name.removeprefix(f"{root}/") for name in names]

    assert found("2024/*.csv") == ["2024/_b.csv", "2024/a.csv", "2024/b.csv"]
    assert found("202?/a.csv") == ["2024/a.csv", "2025/a.csv"]
    assert found("20*/[!b_]*.csv") == ["2024/a.csv", "2025/a.csv"]
    assert found("**/a.csv") == ["2024/a.csv", "2025/a.csv", "2025/deep/a.csv"]
    assert found("**/2025/**/a.csv") == ["2025/a.csv", "2025/deep/a.csv"]
    assert found("c[0-9].csv") == ["c1.csv"]
    assert found("2024") == ["2024/a.csv", "2024/b.csv"]
    assert found("c1.csv") == ["c1.csv"]
    assert found("d*") == []
    assert [rows.columns for rows in read(f"{there.uri}/2025/*.csv", ["text"])] == [([b"x"],)]


def test_tables(folder: Folder) -> None:
    table = pa.table({"id": ["a", "b"], "n": [1, 2]})
    folder.write_table("t.parquet", table)
    assert folder.read_table("t.parquet", ["n"]) == table.select(["n"])
    folder.write("broken.parquet", b"no table")
    with pytest.raises(pa.ArrowInvalid, match=rf"^{folder.uri}/broken.parquet: cannot be read"):
        folder.read_table("broken.parquet")


def test_a_missing_bucket_is_one_line(endpoint: str) -> None:
    gone = Folder("s3://laud-gone/runs/food")
    message = (
        f"^s3://laud-gone/runs/food: there is no bucket 'laud-gone' at {endpoint}; "
        "expected an existing one: create it, or set AWS_ENDPOINT_URL$"
    )
    with pytest.raises(StorageSettingsError, match=message) as found:
        gone.write("x", b"1")
    assert isinstance(found.value, UserError)
    with pytest.raises(StorageSettingsError, match=message):
        gone.require()
    with pytest.raises(StorageSettingsError, match="there is no bucket 'laud-gone'"):
        list_inputs("s3://laud-gone/*.csv")
    Folder(f"s3://{BUCKET}/anywhere").require()


def test_credentials_within_a_uri_are_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(StorageSettingsError, match=r"^s3://laud-tests/x: the URI holds credentials") as found:
        Folder(f"s3://me:hunter2@{BUCKET}/x").names()
    assert "hunter2" not in str(found.value)
    with pytest.raises(StorageSettingsError, match="has no bucket"):
        Folder("s3:///x").names()


def test_refused_credentials_are_one_line_without_them(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_from_now_on(*, after: bytes) -> None:
        plain = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset-auth", after, plain)).close()

    place = Folder(f"s3://{BUCKET}/locked")
    check_from_now_on(after=b"0")
    try:
        for attempt in (place.names, place.require, lambda: place.exists("x"), lambda: place.write("x", b"1")):
            with pytest.raises(
                StorageSettingsError, match=r"refuses access \([A-Z_]+; AWS_ACCESS_KEY_ID is set\)"
            ) as e:
                attempt()
            assert "\n" not in str(e.value)
            assert not re.search("reader|not-for-messages", str(e.value))
    finally:
        check_from_now_on(after=b"1000000")


def test_a_store_that_is_down_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as url:
        pass
    for name, value in {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match=rf"^s3://b-1/run: {url} cannot be reached \(.*\); is AWS_ENDPOINT_URL") as e:
        Folder("s3://b-1/run").require()
    assert "\n" not in str(e.value)
    assert not isinstance(e.value, UserError)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "somewhere:9000")
    with pytest.raises(StorageSettingsError, match="AWS_ENDPOINT_URL: is not a URL"):
        Folder("s3://b-1/run").names()
    with pytest.raises(ConfigError, match=r"^s3://b-1/task.yaml: cannot be read: AWS_ENDPOINT_URL: is not a URL"):
        config.load("s3://b-1/task.yaml")


class _Shaky(BaseHTTPRequestHandler):
    """Hands requests on, but answers the first of every two with 503, and now and then hangs up."""

    protocol_version = "HTTP/1.1"
    target: str
    seen = 0
    faults = 0
    turn = threading.Lock()

    def _go(self) -> None:
        kind = type(self)
        body = self._body()
        with kind.turn:
            kind.seen += 1
            fault = kind.seen % 2
            kind.faults += fault
        if fault and kind.seen % 3 == 0:
            self.close_connection = True
            return
        if fault:
            self._answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>")
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "transfer-encoding")}
        sent = urllib.request.Request(kind.target + self.path, body or None, headers, method=self.command)
        try:
            with urllib.request.urlopen(sent) as reply:
                self._answer(reply.status, dict(reply.headers), reply.read())
        except urllib.error.HTTPError as reply:
            self._answer(reply.code, dict(reply.headers), reply.read())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        kept = {k: v for k, v in headers.items() if k.lower() not in ("connection", "transfer-encoding")}
        if self.command != "HEAD":
            kept = {k: v for k, v in kept.items() if k.lower() != "content-length"} | {"Content-Length": str(len(body))}
        for key, value in kept.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _go  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None: ...


def test_throttling_and_dropped_connections_are_survived(
    endpoint: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = type("Shaky", (_Shaky,), {"target": endpoint})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_address[1]}")
        for i in range(4):
            folder.write(f"{i}", str(i).encode())
        assert [folder.read(name) for name in sorted(folder.names())] == [b"0", b"1", b"2", b"3"]
        proxy.shutdown()
    assert handler.faults >= 4
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert [(entry.path, entry.size) for entry in folder.entries()] == [(str(i), 1) for i in range(4)]
    assert isinstance(folder.entries()[0], Entry)
