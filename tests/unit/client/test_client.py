"""The client against a real HTTP server on loopback: order, batches, retries, refusals, threads."""

import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import httpx
import pytest

import laud_ray
from laud_ray.client.client import Classified, Client, Model, Prediction, ServedModel
from laud_ray.client.requests import MOST_BYTES as MOST_BATCH_BYTES
from laud_ray.errors import LaudError, ServiceError, UserError
from laud_ray.types import Estimate, Label
from tests.endpoint import Reply
from tests.service import MOST_BYTES, Seen, Service, Trouble, overloaded, refusal, serving

TOKEN = "very-secret-token"


class Clock:
    """A clock that only sleeping moves, and a record of the sleeps."""

    def __init__(self) -> None:
        self.now, self.sleeps = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAUD_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., Client]


@pytest.fixture
def make(clock: Clock) -> Iterator[Make]:
    """Clients whose waits cost no time; closed at the end."""
    made: list[Client] = []

    def client(at: Service | str, token: str | None = None, **more: object) -> Client:
        url = at if isinstance(at, str) else at.url
        made.append(Client(url, token, **({"sleep": clock.sleep, "clock": clock} | more)))
        return made[-1]

    yield client
    for each in made:
        each.close()


def first(*troubles: Trouble) -> Callable[[Seen, int], Trouble]:
    """These, one a request, and answers from then on."""
    return lambda seen, number: troubles[number] if number < len(troubles) else None


def always(trouble: Trouble) -> Callable[[Seen, int], Trouble]:
    return lambda seen, number: trouble


def labels(found: Classified) -> list[str]:
    return [result.label for result in found.results]


def test_one_text_gets_one_result(make: Make) -> None:
    with serving(Service()) as service:
        found = make(service).classify("whole milk", top_k=2, threshold=0.9)
    top = (("whole milk", 0.8), ("other", 0.15))
    prediction = Prediction("whole milk", 0.8, abstained=True, top=top, model="round-0001")
    assert found == Classified((prediction,), (Model("round-0001", "v1"),))
    assert service.seen[0].body == {"texts": ["whole milk"], "top_k": 2, "threshold": 0.9}
    assert service.seen[0].headers["content-type"] == "application/json"


def test_what_is_not_asked_for_is_the_services_choice(make: Make) -> None:
    with serving(Service()) as service:
        assert labels(make(service).classify(["a"])) == ["a"]
    assert service.seen[0].body == {"texts": ["a"]}


def test_an_empty_list_makes_no_request(make: Make) -> None:
    with serving(Service()) as service:
        assert make(service).classify([]) == Classified((), ())
    assert service.seen == []


def test_long_lists_are_cut_and_keep_their_order(make: Make) -> None:
    texts = [f"text {i}" for i in range(1003)]
    with serving(Service()) as service:
        assert labels(make(service, batch=100).classify(texts)) == texts
    assert sorted(len(seen.texts) for seen in service.seen) == [3] + [100] * 10


def test_batches_stay_below_the_body_limit(make: Make) -> None:
    texts = [letter * 250_000 for letter in ("a", "é", "\n", "牛", "🧀", "x", "\x00")] * 3
    with serving(Service()) as service:
        assert labels(make(service, concurrency=1).classify(texts)) == texts
    sizes = [seen.size for seen in service.seen]
    assert max(sizes) < MOST_BYTES
    # What is sent apart would not have fitted together.
    assert min(one + other for one, other in pairwise(sizes)) > MOST_BATCH_BYTES


def test_a_text_beyond_every_limit_is_the_services_to_refuse(make: Make) -> None:
    with serving(Service()) as service, pytest.raises(ServiceError) as caught:
        make(service, concurrency=1).classify(["a", "x" * (MOST_BYTES + 1), "b"])
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")
    assert "in the request with texts[1:2]" in str(caught.value)


def test_a_few_requests_are_under_way_at_once(make: Make) -> None:
    """The service answers nobody until four requests are there, so fewer at once would never be answered."""
    texts = [str(i) for i in range(16)]
    with serving(Service(together=4)) as service:
        assert labels(make(service, batch=1, timeout=20).classify(texts)) == texts
    assert service.most_at_once == 4


def test_a_new_model_between_batches_is_visible(make: Make) -> None:
    with serving(Service(versions=["1", "2", "1"])) as service:
        found = make(service, batch=1, concurrency=1).classify(["a", "b", "c"])
    assert [result.model for result in found.results] == ["round-0001", "round-0002", "round-0001"]
    assert found.models == (Model("round-0001", "v1"), Model("round-0002", "v2"))


def test_threads_share_a_client(make: Make) -> None:
    with serving(Service(trouble=first(overloaded(), "drop"))) as service:
        client = make(service, batch=5)
        lists = [[f"{thread}: {i}" for i in range(23)] for thread in range(8)]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(client.classify, lists))
    assert [labels(each) for each in found] == lists
    assert len(service.seen) == 8 * 5 + 2


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_busy_service_is_asked_again_when_it_says(make: Make, clock: Clock, status: int) -> None:
    busy = refusal(status, "busy", "later", retry_after="2")
    with serving(Service(trouble=first(busy, busy))) as service:
        assert labels(make(service).classify("a")) == ["a"]
    assert clock.sleeps == [2, 2]
    assert len(service.seen) == 3


def test_a_date_to_wait_for_is_by_the_services_clock(make: Make, clock: Clock) -> None:
    dates = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:27:50 GMT"}
    with serving(Service(trouble=first(Reply(503, "", dates)))) as service:
        make(service).classify("a")
    assert clock.sleeps == [10]


def test_without_a_word_waits_grow_with_jitter(make: Make, clock: Clock) -> None:
    with serving(Service(trouble=first("drop", Reply(502, "bad gateway"), Reply(503), "drop"))) as service:
        assert labels(make(service).classify("a")) == ["a"]
    assert len(service.seen) == 5
    assert len(set(clock.sleeps)) == 4
    assert all(0 <= slept <= most for slept, most in zip(clock.sleeps, (0.5, 1, 2, 4), strict=True))


def test_attempts_are_bounded_and_counted(make: Make, clock: Clock) -> None:
    with serving(Service(trouble=always(overloaded("1")))) as service, pytest.raises(ServiceError) as caught:
        make(service, attempts=3).classify("a")
    assert len(service.seen) == 3
    assert len(clock.sleeps) == 2
    assert str(caught.value) == (f"{service.url}: 429 overloaded: too many requests (request req-1); tried 3 times")


def test_patience_is_bounded(make: Make, clock: Clock) -> None:
    with serving(Service(trouble=always(overloaded("7")))) as service, pytest.raises(ServiceError, match="patience"):
        make(service, attempts=100, patience=30).classify("a")
    assert clock.sleeps == [7] * 4
    assert len(service.seen) == 5


def test_a_wait_beyond_the_patience_is_not_begun(make: Make, clock: Clock) -> None:
    with serving(Service(trouble=always(overloaded("3600")))) as service, pytest.raises(ServiceError) as caught:
        make(service).classify("a")
    assert clock.sleeps == []
    assert str(caught.value).endswith("; it requests a wait of 3,600 s, more than patience: 60 s in all")


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "unauthorized"), (409, "no_run"), (413, "text_too_long"), (422, "invalid"), (500, "bug"), (504, "deadline")],
)
def test_what_will_not_pass_is_asked_once(make: Make, clock: Clock, status: int, code: str) -> None:
    trouble = always(refusal(status, code, "it is\nso"))
    with serving(Service(trouble=trouble)) as service, pytest.raises(ServiceError) as caught:
        make(service, TOKEN).classify("a")
    error = caught.value
    assert (len(service.seen), clock.sleeps) == (1, [])
    assert (error.status, error.code, error.request_id) == (status, code, "req-1")
    assert error.message == str(error) == f"{service.url}: {status} {code}: it is so (request req-1)"


def test_a_hanging_service_is_a_timeout(make: Make, clock: Clock) -> None:
    with serving(Service(trouble=always("hang"))) as service, pytest.raises(ServiceError) as caught:
        make(service, timeout=0.2).classify("a")
    assert (caught.value.status, caught.value.code) == (None, "timeout")
    assert str(caught.value) == f"{service.url}: no answer in 0.2 s"
    assert (len(service.seen), clock.sleeps) == (1, [])


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_nobody_there_is_tried_again_and_said(make: Make, clock: Clock) -> None:
    with pytest.raises(ServiceError, match=r"^http://127.0.0.1:\d+: no answer \(.*refused\); tried 5 times$") as caught:
        make(free_url()).classify("a")
    assert (caught.value.status, caught.value.code, len(clock.sleeps)) == (None, "unreachable", 4)


@pytest.mark.parametrize(
    ("body", "says"),
    [("no\x1b[31m\nreplica", "502 Bad Gateway: no [31m replica"), ("<html>gone</html>", "502 Bad Gateway")],
)
def test_a_proxy_in_front_may_answer_in_plain_text(make: Make, body: str, says: str) -> None:
    trouble = always(Reply(502, body))
    with serving(Service(trouble=trouble)) as service, pytest.raises(ServiceError) as caught:
        make(service, attempts=1).model()
    assert str(caught.value) == f"{service.url}: {says} (request req-1)"
    assert caught.value.code is None


@pytest.mark.parametrize("body", ["<html>hello</html>", [], {"results": []}, {"model": None, "results": None}])
def test_another_server_is_recognised(make: Make, body: object) -> None:
    with serving(Service(trouble=always(Reply(200, body)))) as service, pytest.raises(ServiceError) as caught:
        make(service).classify("a")
    assert (caught.value.status, caught.value.code) == (200, "unreadable")
    assert "\n" not in str(caught.value)


def test_an_answer_for_other_texts_is_no_answer(make: Make) -> None:
    short = {"model": {"name": "m", "version": "v"}, "results": []}
    trouble = always(Reply(200, short))
    with serving(Service(trouble=trouble)) as service, pytest.raises(ServiceError, match="0 results for 1 texts"):
        make(service).classify("a")


def test_one_failure_ends_the_list(make: Make) -> None:
    """The rest is not sent, and those who wait to try again wait no longer: here by the real clock, for 50 s."""

    def trouble(seen: Seen, number: int) -> Trouble:
        return refusal(422, "invalid", "texts[0]: empty") if seen.texts == ["3"] else overloaded("50")

    with serving(Service(trouble=trouble)) as service, pytest.raises(ServiceError) as caught:
        make(service, batch=1, sleep=None, concurrency=4).classify([str(i) for i in range(40)])
    assert str(caught.value).endswith("422 invalid: texts[0]: empty (request req-1); in the request with texts[3:4]")
    assert len(service.seen) <= 4


def test_the_token_is_sent_and_never_shown(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Service(token=TOKEN)) as service:
        client = make(service, TOKEN)
        assert labels(client.classify("a")) == ["a"]
        assert TOKEN not in repr(client) + str(client)
        assert repr(client) == f"Client('{service.url}')"
        service.trouble = always(refusal(401, "unauthorized", f"found {TOKEN}"))
        with pytest.raises(ServiceError) as caught:
            client.classify("a")
        assert TOKEN not in repr(caught.value) + str(caught.value)
        service.trouble = always(None)
        with pytest.raises(ServiceError, match="no token was sent; expected the argument token, or"):
            make(service).model()
        monkeypatch.setenv("LAUD_TOKEN", f"{TOKEN}\n")
        assert make(service).model().name == "round-0001"
        with pytest.raises(ServiceError, match="401"):
            make(service, "").model()
    assert service.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in service.seen[-1].headers


def test_feedback_says_what_was_given(make: Make) -> None:
    with serving(Service(trouble=first("drop"))) as service:
        client = make(service)
        found = client.feedback("whole milk", label="Milk", who="ann", predicted="Tea", model="round-0001")
        assert found == client.feedback("x", wrong=True) == "feedback-0123456789abcdef"
    said = {"text": "whole milk", "label": "Milk", "predicted": "Tea", "model": "round-0001", "who": "ann"}
    assert [seen.body for seen in service.seen] == [said, said, {"text": "x", "wrong": True}]


@pytest.mark.parametrize("given", [{}, {"label": "Milk", "wrong": True}])
def test_feedback_is_a_label_or_wrong(make: Make, given: dict[str, object]) -> None:
    with pytest.raises(UserError, match="expected either label or wrong=True"):
        make(free_url()).feedback("x", **given)


def test_the_service_says_what_it_serves(make: Make) -> None:
    with serving(Service()) as service:
        client = make(f"{service.url}/")
        assert client.model() == ServedModel(
            name="round-0001",
            version="v1",
            kind="encoder",
            base="bundled",
            labels=2,
            examples=120,
            loaded_at="2026-01-01T00:00:00Z",
            accuracy=Estimate(0.9, 0.86, 0.93, 300),
        )
        assert client.labels() == (Label("Milk"), Label("Tea", "leaves"))


@pytest.mark.parametrize("evaluation", [None, {"accuracy": None}])
def test_a_model_may_be_without_figures(make: Make, evaluation: object) -> None:
    body = {"name": "m", "version": "v", "kind": "linear", "base": None, "labels": 2, "examples": None}
    trouble = always(Reply(200, body | {"loaded_at": "now", "evaluation": evaluation}))
    with serving(Service(trouble=trouble)) as service:
        assert make(service).model().accuracy is None


def test_ready_asks_once(make: Make, clock: Clock) -> None:
    not_yet = Reply(503, {"ready": False, "current": None, "loading": "round-0001", "failed": None})
    with serving(Service(trouble=first(not_yet, "drop", Reply(502, "x"), None, Reply(404, "no")))) as service:
        client = make(service)
        assert [client.ready() for _ in range(4)] == [False, False, False, True]
        with pytest.raises(ServiceError, match="404 Not Found: no"):
            client.ready()
    assert make(free_url()).ready() is False
    assert (len(service.seen), clock.sleeps) == (5, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"url": "localhost:8000"}, "url: 'localhost:8000' is not valid; expected a URL such as"),
        ({"url": "ftp://host"}, "url: 'ftp://host' is not valid"),
        ({"url": "http://host:port"}, "url: 'http://host:port' is not valid ("),
        ({"url": "http://ann:hidden@host"}, "url: has a user or password"),
        ({"token": "hid\nden"}, "token: has spaces"),
        ({"token": "hiddé"}, "token: has spaces or characters outside of ASCII"),
        ({"attempts": 0}, "attempts: 0 is not valid; expected 1 or more"),
        ({"batch": -1}, "batch: -1 is not valid"),
        ({"concurrency": 0}, "concurrency: 0 is not valid"),
        ({"timeout": 0}, "timeout: 0 is not valid; expected a finite number of seconds above 0"),
        ({"patience": float("nan")}, "patience: nan is not valid"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(UserError) as caught:
        Client(**({"url": "http://127.0.0.1:1"} | arguments))
    assert str(caught.value).startswith(says)
    assert "hidd" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "options", "says"),
    [
        (["a", None], {}, r"texts\[1\]: None is not valid; expected a string"),
        (["a"] * 300 + ["x\ud800"], {}, r"texts\[300\]: '\\ud800' is half of a surrogate pair"),
        (["a"], {"threshold": float("nan")}, "threshold: nan is not valid; expected 0 to 1"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(make: Make, texts: list, options: dict, says: str) -> None:
    with serving(Service()) as service, pytest.raises(UserError, match=says):
        make(service).classify(texts, **options)
    assert service.seen == []


def test_a_transport_takes_the_networks_place() -> None:
    answer = {"labels": [{"name": "Milk", "description": None}]}
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json=answer)

    with Client("http://host/prefix/", transport=httpx.MockTransport(handle)) as client:
        assert client.labels() == (Label("Milk"),)
    assert seen == ["http://host/prefix/v1/labels"]
    with pytest.raises(RuntimeError, match="closed"):
        client.labels()


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ServiceError("no", status=429, code="overloaded", request_id="r")))
    assert isinstance(error, LaudError)
    assert (str(error), error.status, error.code, error.request_id) == ("no", 429, "overloaded", "r")


def test_the_client_is_light() -> None:
    assert laud_ray.Client is Client
    heavy = "import sys, laud_ray; laud_ray.Client; print({'ray', 'torch', 'pydantic', 'pyarrow'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
    light = "import sys, laud_ray; print('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True).stdout == "False\n"
