"""A scripted endpoint that speaks OpenAI's protocol on loopback: the one place where tests pretend."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


def chat(text: str, *, probability: float | None = None, usage: tuple[int, int] | None = (100, 2)) -> Reply:
    """A chat completion."""
    import math

    logprobs = None
    if probability is not None:
        logprobs = {"content": [{"token": text, "logprob": math.log(probability), "top_logprobs": []}]}
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "logprobs": logprobs,
        "message": {"role": "assistant", "content": text},
    }
    body: dict[str, object] = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Reply(body=body)


def completion(message: dict[str, object], *, finish: str = "stop", usage: object = None) -> Reply:
    """A chat completion with whatever message a server may send."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    return Reply(body={"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


def refusal(status: int, message: str, headers: dict[str, str] | None = None, **more: object) -> Reply:
    return Reply(status, {"error": {"message": message, **more}}, headers or {})


class Endpoint(ThreadingHTTPServer):
    """Answers each request with what the script makes of it; remembers all requests.

    The script is given the request's body and the number of requests before it with the same prompt.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Callable[[dict, int], Reply | None]) -> None:
        self.script, self.seen, self.keys = script, [], []
        self.lock, self.over = threading.Lock(), threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][0]["content"] for body in self.seen]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            before = self.server.prompts.count(body["messages"][0]["content"])
            self.server.seen.append(body)
            self.server.keys.append(self.headers.get("authorization"))
        reply = self.server.script(body, before)
        if reply is None:  # never answered: the connection stays open until the test is over
            self.server.over.wait(60)
            self.close_connection = True
            return
        data = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(data)), **reply.headers}
        # A client that has given up is none of the server's business.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(reply.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def endpoint(script: Callable[[dict, int], Reply | None]) -> Iterator[Endpoint]:
    with Endpoint(script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
