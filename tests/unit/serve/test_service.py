"""The service over real HTTP: what it answers, what it refuses, and how one model takes the place of another."""

import asyncio
import gzip
import json
import logging
import shutil
import socket
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laud_ray import Client
from laud_ray.errors import ConfigError
from laud_ray.models import kinds
from laud_ray.models.encoder.linear import LinearScorer
from laud_ray.passes.scoring import score_texts
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import seal
from laud_ray.store.model_records import promote
from laud_ray.store.run import look_at
from laud_ray.types import Floats
from serve.answers import check_size
from serve.arguments import Arguments, Limits
from serve.guard import _Bodies, _Bounded
from serve.launch import check_address
from serve.request_body import parse
from serve.schemas import ClassifyRequest, FaultError, FeedbackRequest
from serve.tokens import Tokens
from tests.served import add_model, eventually, live, serve_run
from tests.tiny import LABELS, products

LIMITS = Limits(max_texts=50, max_chars=200, max_body_bytes=20_000, queue_texts=100)
SECRET = "a name that nobody else may read"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serve_run(tmp_path_factory.mktemp("served") / "run")


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[httpx.Client]:
    with live(run=str(run), limits=LIMITS) as client:
        yield client


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


def post(client: httpx.Client, body: object) -> httpx.Response:
    return client.post("/v1/classify", json=body)


def serving(client: httpx.Client) -> str:
    return str(client.get("/v1/model").json()["name"])


def test_answers_come_in_order_with_the_same_scores_as_the_loop_and_relabeling(
    service: httpx.Client, run: Path
) -> None:
    texts = [example.text for example in products(40, seed=11)]
    scorer = kinds.load(str(run / "models" / "round-0001"))
    passed, failures = score_texts(scorer, texts)
    assert not failures
    answer = post(service, {"texts": texts, "top_k": 12}).json()
    assert answer["model"]["name"] == "round-0001"
    for result, row in zip(answer["results"], passed, strict=True):
        assert result["label"] == LABELS[row.argmax()]
        assert [one["confidence"] for one in result["top"]] == pytest.approx(sorted(row.tolist())[::-1], abs=2e-5)


def test_one_text_or_a_list_and_what_is_asked_for_each(service: httpx.Client) -> None:
    one = post(service, {"texts": "choc milk 1l"}).json()["results"]
    same = post(service, {"texts": ["  choc\u00a0milk \n 1l "], "top_k": 1}).json()["results"]
    assert len(one) == 1
    assert one[0]["label"] == one[0]["top"][0]["label"] == same[0]["label"]
    assert one[0]["confidence"] == pytest.approx(same[0]["confidence"], abs=1e-5)
    assert (len(one[0]["top"]), len(same[0]["top"])) == (3, 1)
    assert len(post(service, {"texts": "x", "top_k": 999}).json()["results"][0]["top"]) == len(LABELS)
    for threshold, abstained in ((1.0, True), (0.0, False)):
        assert post(service, {"texts": "x", "threshold": threshold}).json()["results"][0]["abstained"] is abstained


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 422, "body: is empty; expected an object such as"),
        (b"{", 422, "body: ends at character 1, before its JSON does; expected an object such as"),
        (b"{'texts': 1}", 422, "body: is not valid JSON at character 1: '\\'texts\\': 1}'; expected an object such as"),
        (b"\xff\xfe{\0}\0", 415, "body: is in UTF-16; expected JSON in UTF-8, not compressed"),
        ('{"texts": "Milch"}'.encode("utf-16-le"), 415, "body: is in UTF-16; expected JSON in UTF-8"),
        (b'{"texts": ["caf\xe9"]}', 415, "body: has the byte 0xE9 at 15; expected JSON in UTF-8, not compressed"),
        (gzip.compress(b'{"texts": "a"}', mtime=0), 415, "body: is gzip data; expected JSON in UTF-8, not compressed"),
        (b'{"texts": "a", "texts": "b"}', 422, "texts: is a duplicate key; expected each key once"),
        (b'{"texts": "\\ud800"}', 422, "texts: has U+D800 at character 0, half of a surrogate pair; expected Unicode"),
        (b'{"texts": ' + b"[" * 9000 + b"]" * 9000 + b"}", 422, "body: is nested too deeply; expected an object"),
        (b'{"top_k": ' + b"1" * 5000 + b"}", 422, "body: holds a number of too many digits; expected an object"),
        (b"[]", 422, 'body: [] is not valid; expected an object such as {"texts": ["choc milk 1l"]}'),
        (b"{}", 422, "texts: is missing; expected a text or a list of texts"),
        (b'{"texts": []}', 422, "texts: is empty; expected at least one text"),
        (b'{"texts": null}', 422, "texts: null is not valid; expected a text or a list of texts"),
        (b'{"texts": 7}', 422, "texts: 7 is not valid; expected a text or a list of texts"),
        (b'{"texts": ["a", 7]}', 422, "texts[1]: 7 is not valid; expected a text"),
        (b'{"texts": ["a", ["b"]]}', 422, 'texts[1]: ["b"] is not valid; expected a text'),
        (b'{"texts": " \\t\\n "}', 422, "texts: is empty; expected a text"),
        (b'{"texts": "a\\u0000b"}', 422, "texts: has the control character U+0000 at character 1; expected none"),
        (b'{"texts": "a\\u001b[31m"}', 422, "texts: has the control character U+001B at character 1"),
        (b'{"texts": "a", "top_k": 0}', 422, "top_k: 0 is not valid; expected a whole number of at least 1"),
        (b'{"texts": "a", "top_k": true}', 422, "top_k: true is not valid; expected a whole number"),
        (b'{"texts": "a", "top_k": 2.0}', 422, "top_k: 2.0 is not valid; expected a whole number"),
        (b'{"texts": "a", "threshold": NaN}', 422, "threshold: NaN is not valid; expected a number from 0 to 1"),
        (b'{"texts": "a", "threshold": 1.5}', 422, "threshold: 1.5 is not valid; expected a number from 0 to 1"),
        (
            b'{"texts": "a", "k": 1}',
            422,
            "k: is an unknown key; expected one of texts, top_k, threshold, accuracy, level",
        ),
        (json.dumps({"texts": ["a"] * 51}).encode(), 413, "texts: 51 of them; expected at most 50"),
        (json.dumps({"texts": "b" * 201}).encode(), 413, "texts: 201 characters; expected at most 200"),
        (json.dumps({"texts": [["x" * 9000]]}).encode(), 422, 'texts[0]: ["xxx'),
        (b'{"' + b"k" * 9000 + b'": 1}', 422, "kkkkkkkkkk"),
        (b'{"texts": "' + b"a" * 1_000_000 + b'"}', 413, "body: 1000013 bytes; expected at most 20000"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_where(
    service: httpx.Client, body: bytes, status: int, message: str
) -> None:
    answer = service.post("/v1/classify", content=body, headers={"x-request-id": "mine"})
    error = answer.json()["error"]
    assert (answer.status_code, error["request_id"]) == (status, "mine")
    assert error["message"].startswith(message)
    assert "\n" not in error["message"]
    assert answer.headers["x-request-id"] == "mine"


def test_an_unusable_text_of_a_list_is_an_error_of_its_own_row(service: httpx.Client) -> None:
    texts = ["milk", "", " \t\n ", "a\x00b", "a\x1b[31m", "b" * 201, "bread"]
    body = json.dumps({"texts": texts})[:-2] + ', "\\ud800"]}'
    results = post(service, {"texts": texts}).json()["results"]
    assert service.post("/v1/classify", content=body).json()["results"][-1] == {
        "error": "has U+D800 at character 0, half of a surrogate pair; expected Unicode text"
    }
    assert [result.get("error") for result in results] == [
        None,
        "is empty; expected a text",
        "is empty; expected a text",
        "has the control character U+0000 at character 1; expected none",
        "has the control character U+001B at character 1; expected none",
        "201 characters; expected at most 200",
        None,
    ]
    alone = post(service, {"texts": ["milk", "bread"]}).json()["results"]
    assert [results[0]["label"], results[-1]["label"]] == [result["label"] for result in alone]
    assert post(service, {"texts": [""]}).json()["results"] == [{"error": "is empty; expected a text"}]
    assert 'laud_rejected_total{code="text"}' in service.get("/metrics").text


def test_the_client_has_the_errors_in_the_places_of_the_texts(service: httpx.Client) -> None:
    with Client(str(service.base_url), batch=2) as client:
        results = client.classify(["milk", "", "bread", "\x00", ""]).results
    assert [result.error is None for result in results] == [True, False, True, False, False]
    assert [result.label is None for result in results] == [False, True, False, True, True]
    assert results[1].error == "is empty; expected a text"


@pytest.mark.parametrize("item", ["1", "[]", "{}", '"x",1'])
def test_a_long_list_of_what_is_no_text_costs_little(item: str) -> None:
    body = f'{{"texts": [{",".join([item] * 200_000)}]}}'.encode()
    tracemalloc.start()
    with pytest.raises(FaultError, match=r"texts\[\d+\]: .* is not valid; expected a text"):
        parse(ClassifyRequest, body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20  # 460 MiB where every error is collected


def test_many_unknown_keys_cost_little() -> None:
    body = json.dumps({"text": "x", "wrong": True, **{f"k{i}": i for i in range(100_000)}}).encode()
    tracemalloc.start()
    with pytest.raises(FaultError, match=r"k0: is an unknown key; expected one of text, label"):
        parse(FeedbackRequest, body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20


def test_an_answer_of_too_many_labels_is_refused(service: httpx.Client) -> None:
    check_size(1024, 97)
    with pytest.raises(FaultError, match=r"top_k: 98 labels for each of 1024 texts; expected at most 100,000 in all"):
        check_size(1024, 98)


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/feedback"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(service: httpx.Client, path: str, kind: str) -> None:
    answer = service.post(path, content=b'{"texts": "x"}', headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "not_json")


def test_without_tokens_other_hosts_and_sites_are_refused_and_probes_are_not(service: httpx.Client, run: Path) -> None:
    def status(path: str = "/v1/labels", **headers: str) -> int:
        return service.get(path, headers=headers).status_code

    own = str(service.base_url).rstrip("/")
    assert [status(host="evil.example"), status("/", host="evil.example"), status(origin="https://evil.example")] == [
        403
    ] * 3
    assert service.post("/v1/feedback", json={"text": "x"}, headers={"origin": "null"}).status_code == 403
    assert [status(origin=own), status(host="localhost:1"), status("/healthz", host="10.0.0.1:8000")] == [200, 200, 200]
    with live(run=str(run), allow_hosts=["shop.internal"]) as client:
        assert client.get("/v1/labels", headers={"host": "shop.internal"}).status_code == 200


def test_with_tokens_any_host_may_be_asked(run: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("let-me-in")
    headers = {"authorization": "Bearer let-me-in", "host": "shop.example", "origin": "https://shop.example"}
    with live(run=str(run), tokens_file=str(tmp_path / "tokens")) as client:
        assert client.get("/v1/labels", headers=headers).status_code == 200


def test_a_body_that_stops_is_408_and_one_that_breaks_off_is_counted_as_499(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ("POST /v1/classify HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 9999")
    head = "\r\n".join([*lines, "", "{"]).encode()
    with caplog.at_level(logging.INFO, "laud.test"), live(run=str(run), limits=Limits(deadline_s=0.2)) as client:
        with socket.create_connection((client.base_url.host, client.base_url.port), 30) as slow:
            slow.sendall(head)
            answer = slow.makefile("rb").read()
        with socket.create_connection((client.base_url.host, client.base_url.port), 30) as gone:
            gone.sendall(head)
        eventually(lambda: 'path="/v1/classify",status="499"} 1.0' in client.get("/metrics").text)
        assert "laud_failures_total 0.0" in client.get("/metrics").text
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "too_slow"' in answer
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_bodies_that_are_in_memory_are_limited_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def part() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 600, "more_body": True}

    async def send() -> None:
        bodies = _Bodies(2000)
        first, second = _Bounded(part, LIMITS, bodies), _Bounded(part, LIMITS, bodies)
        for one in (first, second, first):
            await one()
        with pytest.raises(FaultError) as caught:
            await second()
        assert caught.value.status == 429
        second.release()
        await first()
        first.release()
        assert bodies.size == 0

    asyncio.run(send())


def test_a_body_without_a_length_is_cut_off_at_the_limit(service: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"a" * 1000

    answer = service.post("/v1/classify", content=endless())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["texts", "top_k", "x"]), inner),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=50) | JSON.map(lambda value: json.dumps(value).encode()), path=st.sampled_from("cf"))
def test_nothing_that_is_sent_makes_it_fail(service: httpx.Client, body: bytes, path: str) -> None:
    answer = service.post({"c": "/v1/classify", "f": "/v1/feedback"}[path], content=body)
    assert answer.status_code in (200, 201, 413, 415, 422)


def test_what_comes_too_late_is_answered_as_such_and_its_work_dropped(run: Path) -> None:
    with live(run=str(run), limits=Limits(deadline_s=0.05)) as client:
        answer = post(client, {"texts": [f"a long list {i}" for i in range(1000)]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline")
        assert answer.json()["error"]["message"] == "no answer within 0.05 s; the work was dropped"
        page = client.get("/metrics").text
    batched = next(line for line in page.splitlines() if line.startswith("laud_batch_texts_sum"))
    assert float(batched.split()[-1]) < 1000


def test_what_is_too_much_is_refused_with_a_time_to_come_again(run: Path) -> None:
    body = {"texts": [f"a list of fifty {i}" for i in range(50)]}
    with live(run=str(run), limits=LIMITS) as client, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(client, body), range(60)))
        assert post(client, {"texts": "milk"}).status_code == 200
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "overloaded"


def test_unknown_paths_and_methods_have_the_same_form(service: httpx.Client) -> None:
    assert service.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert service.get("/v1/labels/").json()["error"]["code"] == "not_found"
    for method, path, allowed in (("GET", "/v1/classify", "POST"), ("DELETE", "/v1/model", "GET")):
        answer = service.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        error = answer.json()["error"]
        assert (error["code"], error["message"]) == (
            "method_not_allowed",
            f"{method}: is not a method of '{path}'; expected {allowed}",
        )
    answer = service.head("/v1/classify")  # of which no body comes
    assert (answer.status_code, answer.headers["allow"], answer.headers["content-type"]) == (
        405,
        "POST",
        "application/json",
    )


def test_a_byte_order_mark_is_skipped(service: httpx.Client) -> None:
    answer = service.post("/v1/classify", content=b'\xef\xbb\xbf{"texts": "caf\xc3\xa9"}')
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"text": "x"}, "body: has neither `label` nor `wrong`; expected a label, or wrong: true"),
        ({"text": "x", "label": LABELS[0], "wrong": True}, "body: has both `label` and `wrong`; expected a label, or"),
        ({"text": "x", "wrong": False}, "wrong: false is not valid; expected true"),
        ({"text": None, "wrong": True}, "text: null is not valid; expected a text"),
        ({"text": ["x"], "wrong": True}, 'text: ["x"] is not valid; expected a text'),
        ({"wrong": True}, "text: is missing; expected a text"),
        ({"text": "x", "lable": "y"}, "lable: is an unknown key; expected one of text, label, labels"),
        ({"text": "x", "label": 3}, "label: 3 is not valid; expected the name of a label, of 1 to 2000 characters"),
        ({"text": "x", "wrong": True, "who": ""}, 'who: "" is not valid; expected a name of 1 to 200 characters'),
    ],
)
def test_a_mistake_in_feedback_is_named_in_our_words(service: httpx.Client, said: object, message: str) -> None:
    answer = service.post("/v1/feedback", json=said)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(message)


def test_the_schema_names_what_may_be_sent_and_comes_back(service: httpx.Client) -> None:
    schema = service.get("/openapi.json").json()
    classify = schema["paths"]["/v1/classify"]["post"]
    sent = classify["requestBody"]["content"]["application/json"]["schema"]
    assert sent["properties"]["texts"]["examples"] == [["choc milk 1l", "gala apples"]]
    assert set(classify["responses"]) >= {"200", "401", "413", "422", "429", "503", "504"}


def test_the_model_its_figure_and_its_labels(service: httpx.Client) -> None:
    model = service.get("/v1/model").json()
    assert (model["name"], model["kind"], model["labels"], model["examples"]) == ("round-0001", "linear", 12, 40)
    assert model["evaluation"]["accuracy"] == {"value": 0.8, "low": 0.7, "high": 0.9, "n": 40}
    assert [label["name"] for label in service.get("/v1/labels").json()["labels"]] == list(LABELS)
    assert service.get("/healthz").json() == {"status": "alive"}
    ready = service.get("/readyz").json()
    assert (ready["ready"], ready["current"]["version"], ready["failed"]) == (True, model["version"], None)


def test_tokens_may_be_several_and_replaced_without_a_restart(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# for the shop\nold-token\n")

    def status(token: str | None, path: str = "/v1/labels") -> int:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return client.get(path, headers=headers).status_code

    with live(run=str(run), tokens_file=str(file)) as client:
        assert [status(None), status("wrong"), status("old-token")] == [401, 401, 200]
        assert [status(None, path) for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 401]
        refused = client.post("/v1/classify", content=b"not even JSON")
        assert (refused.json()["error"]["code"], refused.headers["www-authenticate"]) == ("unauthorized", "Bearer")
        file.write_text("old-token\nnew-token\n")
        eventually(lambda: status("new-token") == 200)
        assert status("old-token") == 200
        file.write_text("new-token\n")
        eventually(lambda: status("old-token") == 401)
        assert status("new-token") == 200


def test_who_has_no_token_is_not_told_of_folders(own_run: Path, tmp_path: Path) -> None:
    (own_run / "models" / "round-0001" / "head.safetensors").write_bytes(b"?")
    (tmp_path / "tokens").write_text("let-me-in")
    with live(run=str(own_run), tokens_file=str(tmp_path / "tokens")) as client:
        eventually(lambda: client.get("/readyz").json()["failed"])
        hidden = client.get("/readyz")
        assert (hidden.status_code, hidden.json()["failed"]["name"]) == (503, "round-0001")
        assert "/" not in hidden.json()["failed"]["error"] + hidden.json()["registry"]
        shown = client.get("/readyz", headers={"authorization": "Bearer let-me-in"}).json()
        assert "head.safetensors: was changed: its checksum differs" in shown["failed"]["error"]
        own_run.rename(own_run.with_name("elsewhere"))
        client.post("/v1/reload", headers={"authorization": "Bearer let-me-in"})
        eventually(lambda: client.get("/readyz").json()["registry"] != "ok")
        assert "/" not in client.get("/readyz").json()["registry"]


@pytest.mark.parametrize("token", ["schl\u00fcssel", "two words", "a\tb", "\u200bx"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# ours, \u00fc is fine here\ngood\n{token}\n")
    with pytest.raises(
        ConfigError, match=r"tokens_file: .*: line 3: has a space or a letter beyond ASCII; expected"
    ) as one:
        Tokens(str(file))
    with pytest.raises(ConfigError, match=r"LAUD_TOKENS: token 2: has a space") as other:
        Tokens(None, f"good,{token}")
    assert token not in f"{one.value}{other.value}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7"])
def test_others_are_let_in_only_with_a_token(host: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"--host {host}: other machines can reach it, and there is no token; expected"
    ):
        check_address(host, 0, Arguments(run="x"))


def test_an_address_that_is_none_is_said_to_be() -> None:
    with pytest.raises(ConfigError, match=r"--host no\.such\.invalid: no such address; expected one of this machine"):
        check_address("no.such.invalid", 0, Arguments(run="x"))


def test_on_this_machine_alone_no_token_is_needed() -> None:
    assert check_address("127.0.0.1", 0, Arguments(run="x")).allow_anonymous


def test_other_sites_may_ask_only_if_that_was_set(service: httpx.Client, run: Path) -> None:
    origin = {"origin": "https://shop.example"}
    assert "access-control-allow-origin" not in service.get("/v1/labels", headers=origin).headers
    with live(run=str(run), cors_origins=["https://shop.example"]) as client:
        assert client.get("/v1/labels", headers=origin).headers["access-control-allow-origin"] == origin["origin"]


def test_a_new_model_takes_over_and_an_older_one_can_come_back(own_run: Path) -> None:
    with live(run=str(own_run), poll_s=0.05) as client:
        assert serving(client) == "round-0001"
        add_model(own_run, 2)
        eventually(lambda: serving(client) == "round-0002")
        with look_at(str(own_run)) as folder:
            promote(folder.store.engine, "round-0001")
        eventually(lambda: serving(client) == "round-0001")


def test_the_loop_may_push_instead_of_being_polled(own_run: Path) -> None:
    with live(run=str(own_run)) as client:
        add_model(own_run, 2)
        assert client.post("/v1/reload").status_code == 202
        eventually(lambda: serving(client) == "round-0002")


def test_a_model_that_was_made_anew_under_its_name_is_served_anew(own_run: Path) -> None:
    """As after a run was begun again, or put back from a backup, in the same place."""
    with live(run=str(own_run), poll_s=0.05) as client:
        before = client.get("/v1/model").json()
        model = own_run / "models" / before["name"]
        description = json.loads((model / "model.json").read_text())
        again = own_run / "again"
        shutil.copytree(model, again)
        seal(again, {**{k: v for k, v in description.items() if k not in ("files", "checksum")}, "examples": 7})
        Folder(str(own_run / "models")).publish(again, before["name"], "model.json")
        eventually(lambda: client.get("/v1/model").json()["version"] != before["version"])
        assert client.get("/v1/model").json()["name"] == before["name"]
        assert post(client, {"texts": "x"}).status_code == 200


def test_a_broken_model_leaves_the_old_one_where_it_is(own_run: Path) -> None:
    add_model(own_run, 2)
    with look_at(str(own_run)) as folder:
        promote(folder.store.engine, "round-0001")
    head = own_run / "models" / "round-0002" / "head.safetensors"
    whole = head.read_bytes()
    head.write_bytes(whole[:-1] + b"?")
    with live(run=str(own_run), poll_s=0.05) as client:
        with look_at(str(own_run)) as folder:
            promote(folder.store.engine, "round-0002")
        eventually(lambda: client.get("/readyz").json()["failed"])
        failed = client.get("/readyz").json()["failed"]
        assert failed["name"] == "round-0002"
        assert "head.safetensors: was changed: its checksum differs" in failed["error"]
        assert (client.get("/readyz").status_code, serving(client)) == (200, "round-0001")
        assert 'laud_swaps_total{result="failed"} 1.0' in client.get("/metrics").text
        with look_at(str(own_run)) as folder:
            promote(folder.store.engine, "round-0001")


def test_an_engine_that_can_score_no_more_is_known_and_one_bad_text_is_no_reason(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, bad = LinearScorer.score_tokens, {"text"}

    def failing(self: LinearScorer, ids: Sequence[Sequence[int]]) -> Floats:
        if "all" in bad or ("text" in bad and any(len(row) > 20 for row in ids)):
            raise RuntimeError("no more")
        return score(self, ids)

    monkeypatch.setattr(LinearScorer, "score_tokens", failing)
    with live(run=str(run)) as client:
        results = post(client, {"texts": ["tea", "tea " * 40]}).json()["results"]
        assert "label" in results[0]
        assert "error" in results[1]
        assert client.get("/healthz").status_code == 200
        bad.add("all")
        assert post(client, {"texts": "tea"}).status_code == 503
        assert (client.get("/healthz").status_code, client.get("/healthz").json()) == (503, {"status": "failed"})
        bad.clear()
        assert post(client, {"texts": "tea"}).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_no_answer_mixes_two_models_while_they_change(own_run: Path) -> None:
    add_model(own_run, 2)
    texts = [example.text for example in products(30, seed=5)]
    expected = {
        name: kinds.load(str(own_run / "models" / name)).score(texts).max(1) for name in ("round-0001", "round-0002")
    }
    assert abs(expected["round-0001"] - expected["round-0002"]).max() > 0.01

    def ask(_: int) -> str:
        answer = post(client, {"texts": texts}).json()
        name = answer["model"]["name"]
        assert [one["confidence"] for one in answer["results"]] == pytest.approx(expected[name].tolist(), abs=2e-5)
        return str(name)

    with live(run=str(own_run), poll_s=0.01) as client, ThreadPoolExecutor(4) as pool:
        seen: set[str] = set()
        for i in range(6):
            asked = pool.map(ask, range(8))
            with look_at(str(own_run)) as folder:
                promote(folder.store.engine, f"round-000{1 + i % 2}")
            seen |= set(asked)
            eventually(lambda i=i: serving(client) == f"round-000{1 + i % 2}")  # type: ignore[misc]
    assert seen == {"round-0001", "round-0002"}


def test_before_the_first_model_it_says_so(tmp_path: Path) -> None:
    run = serve_run(tmp_path / "run", models=0)
    with live(run=str(run), poll_s=0.05) as client:
        answer = post(client, {"texts": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_model")
        assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/readyz").status_code == 503
        add_model(run, 1)
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert post(client, {"texts": "x"}).status_code == 200


def test_feedback_is_kept_for_the_next_round(own_run: Path) -> None:
    with live(run=str(own_run)) as client:
        said = {
            "text": "choc  milk 1l",
            "label": LABELS[3],
            "who": "ann",
            "predicted": LABELS[0],
            "model": "round-0001",
        }
        first, again = client.post("/v1/feedback", json=said), client.post("/v1/feedback", json=said)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]
        assert client.post("/v1/feedback", json={"text": "x", "wrong": True}).status_code == 201
        unknown = client.post("/v1/feedback", json={"text": "x", "label": LABELS[3].lower() + "x"})
        assert unknown.status_code == 422
        assert f"did you mean {LABELS[3]!r}?" in unknown.json()["error"]["message"]
        spaced = client.post("/v1/feedback", json={**said, "label": f" {LABELS[3]}\u200b\n"})
        assert spaced.json() == again.json()
        nothing = client.post("/v1/feedback", json={"text": "x"})
        assert nothing.json()["error"]["message"].startswith("body: has neither `label` nor `wrong`")
    with look_at(str(own_run)) as folder:
        kept = folder.store.feedback()
    assert [(one.text, one.label, one.who) for one in kept] == [
        ("choc milk 1l", LABELS[3], "ann"),
        ("x", None, "anonymous"),
    ]


def test_a_run_that_is_gone_is_said_and_its_model_goes_on(own_run: Path) -> None:
    with live(run=str(own_run), poll_s=0.05) as client:
        own_run.rename(own_run.with_name("elsewhere"))
        answer = client.post("/v1/feedback", json={"text": "x", "wrong": True})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "run_gone")
        eventually(lambda: "the run was deleted or moved" in client.get("/readyz").json()["registry"])
        assert post(client, {"texts": "x"}).status_code == 200


def test_a_models_folder_is_served_but_has_nowhere_for_feedback(run: Path) -> None:
    with live(run=str(run / "models" / "round-0001")) as client:
        assert serving(client) == "round-0001"
        answer = client.post("/v1/feedback", json={"text": "x", "wrong": True})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_run")


def test_what_is_counted_and_that_no_text_is_written(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "laud.test"), live(run=str(run), threshold=1.0) as client:
        post(client, {"texts": [SECRET, "milk"]})
        post(client, {"texts": SECRET + "\x00"})
        page = client.get("/metrics").text
    for line in (
        'laud_requests_total{path="/v1/classify",status="200"} 1.0',
        'laud_rejected_total{code="invalid"} 1.0',
        'laud_texts_total{model="round-0001"} 2.0',
        "laud_abstained_total 2.0",
        "laud_confidence_count 2.0",
        'laud_swaps_total{result="taken"} 1.0',
    ):
        assert line in page
    assert 'laud_model_info{model="round-0001"' in page
    assert sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("laud_labels_total")) == 2
    logged = [record for record in caplog.records if record.getMessage() == "request"]
    assert [record.status for record in logged[:2]] == [200, 422]  # type: ignore[attr-defined]
    assert not any(SECRET in str(record.__dict__) for record in caplog.records)


@pytest.mark.gpu
def test_a_gpu_gives_the_labels_of_the_loop(run: Path) -> None:
    texts = [example.text for example in products(200, seed=13)]
    proba = kinds.load(str(run / "models" / "round-0001")).score(texts)
    with live(run=str(run), gpus=0.5) as client:
        answer = post(client, {"texts": texts}).json()
    assert [one["confidence"] for one in answer["results"]] == pytest.approx(proba.max(1).tolist(), abs=2e-2)
