"""`laud annotate`: the page on which people answer a run's questions, until Ctrl-C. Needs no Ray and no model."""

import logging
import os
import socket
from collections.abc import Callable, Collection

import uvicorn

from laud_ray.errors import ConfigError
from laud_ray.people.tokens import LONGEST_NAME, Person, PersonTokens
from laud_ray.printable import quoted
from serve.annotate.desk import Desk
from serve.annotate.routes import make_app
from serve.annotate.work import Work
from serve.origin import Origins, is_loopback

# Seconds in which requests under way are answered when the server ends.
ENDING_S = 2
ALONE = "local"


def command(
    run: str,
    *,
    host: str,
    port: int,
    tokens: str | None,
    who: str,
    allow_hosts: Collection[str],
    say: Callable[[str], None],
) -> None:
    """What `laud annotate` does.

    Args:
        who: the name under which answers are kept where there are no tokens.

    Raises:
        UserError: if an option is wrong, or there is nothing to answer.
    """
    people = None if tokens is None else PersonTokens(tokens)
    alone = Person(_name(who), "owner")
    if people is None and not is_loopback(host):
        expected = "--tokens FILE with a line NAME:ROLE:TOKEN for each person, or --host 127.0.0.1"
        raise ConfigError(f"--host {host}: others can reach it, and there are no tokens; expected {expected}")
    listening = _listen(host, port)
    try:
        desk = Desk(run)
    except BaseException:
        listening.close()
        raise
    hosts = allow_hosts if is_loopback(host) or allow_hosts else ("*",)
    app = make_app(Work(desk, anonymous=people is None), tokens=people, alone=alone, origins=Origins(hosts, ()))
    say(f"http://{_shown(host)}:{listening.getsockname()[1]}")
    try:
        serve(app, listening)
    finally:
        desk.close()


def serve(app: object, listening: socket.socket) -> None:
    """Answer until Ctrl-C or SIGTERM; then what is under way is answered first."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    settings = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=ENDING_S,
        timeout_keep_alive=65,
    )
    uvicorn.Server(settings).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Open the port, or say in one line why it cannot be."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError:
        raise ConfigError(f"--host {host}: no such address; expected one of this machine, such as 127.0.0.1") from None
    try:
        return socket.create_server(address[:2], family=family, backlog=256)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"--port {port}: cannot be opened on {host}: {why}; expected a free one") from None


def _name(who: str) -> str:
    name = who.strip()
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        expected = f"a name of 1 to {LONGEST_NAME} visible characters"
        raise ConfigError(f"--who {quoted(who)}: is not valid; expected {expected}")
    return name


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
