"""People who answer at the same time: how long an answer takes to bring the next question, and whether any is lost.

    python benchmarks/annotate.py [--people 20] [--questions 5000] [--think 0.2] [--postgres]

Each person is a client of `laud annotate` on loopback that behaves as the page does: it holds questions ahead, sends an
answer and gets the next questions with its receipt. `answer to next` is the time of that request. Afterwards the votes
in the database are counted: every question as often as wanted, none more, and each what was sent.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np

from laud_ray.people.votes import votes
from laud_ray.store.run import look_at
from tests.annotating import make_run, names
from tests.postgres import postgres_server

AHEAD = 4


async def person(client: httpx.AsyncClient, name: str, think: float, times: list[float], sent: dict[str, str]) -> int:
    """Answer until nothing is left; returns the requests that had to be sent again."""
    rng = random.Random(name)
    headers = {"authorization": f"Bearer token-{name}"}
    labels = [one["name"] for one in (await client.get("/v1/labels", headers=headers)).json()["labels"]]
    body = {"holder": name, "n": AHEAD}
    held = (await client.post("/v1/next", json=body, headers=headers)).json()["questions"]
    again = 0
    while held:
        question = held[0]
        if think:
            await asyncio.sleep(rng.expovariate(1 / think))
        vote = {"id": str(uuid.UUID(int=rng.getrandbits(128))), "question": question["id"], "answer": "label"}
        vote["label"] = random.Random(question["id"]).choice(labels)  # people agree: nobody is asked for a third answer
        sent[vote["id"]] = vote["label"]
        while True:
            began = time.perf_counter()
            body = {"holder": name, "votes": [vote], "next": AHEAD}
            answer = await client.post("/v1/votes", json=body, headers=headers)
            if answer.status_code == 200:
                break
            print("again:", answer.status_code, answer.text[:200])
            again += 1
            await asyncio.sleep(0.5)
        times.append(time.perf_counter() - began)
        assert answer.json()["receipts"][0]["outcome"] == "counted", answer.text
        held = answer.json()["questions"]
    return again


async def everybody(url: str, people: int, think: float) -> tuple[list[float], dict[str, str], int, float]:
    times: list[float] = []
    sent: dict[str, str] = {}
    limits = httpx.Limits(max_connections=people, max_keepalive_connections=people)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        began = time.perf_counter()
        again = await asyncio.gather(*(person(client, f"p{i:02d}", think, times, sent) for i in range(people)))
        return times, sent, sum(again), time.perf_counter() - began


def measure(args: argparse.Namespace, folder: Path, store: str | None) -> None:
    run = make_run(folder / "run", labels=names(29), n=args.questions, store=store, rules=args.rules)
    tokens = folder / "tokens"
    tokens.write_text("".join(f"p{i:02d}:annotator:token-p{i:02d}\n" for i in range(args.people)))
    command = [sys.executable, "-m", "laud_ray", "annotate", str(run), "--port", "0", "--tokens", str(tokens)]
    began = time.perf_counter()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=dict(os.environ))
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        started = time.perf_counter() - began
        try:
            times, sent, again, seconds = asyncio.run(everybody(url, args.people, args.think))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)
    said = (folder / "log").read_text()
    check(run, sent, args.per_question)
    p50, p95, p99 = (1000 * float(np.quantile(times, q)) for q in (0.5, 0.95, 0.99))
    print(
        json.dumps(
            {
                "store": "postgresql" if store else "sqlite",
                "people": args.people,
                "answers": len(times),
                "think_s": args.think,
                "seconds": round(seconds, 1),
                "per_second": round(len(times) / seconds),
                "answer_to_next_ms": {"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1)},
                "sent_again": again,
                "locked": said.count("database is locked"),
                "start_s": round(started, 2),
            }
        )
    )


def check(run: Path, sent: dict[str, str], wanted: int) -> None:
    """Every question has the votes that were wanted, from different people, and each vote is what was sent."""
    with look_at(str(run)) as folder:
        stored = votes(folder.store.engine)
    assert {one.vote.id: one.vote.label for one in stored} == sent, "votes were lost or changed"
    counted = Counter(one.vote.question for one in stored)
    assert set(counted.values()) == {wanted}, Counter(counted.values())
    assert len({(one.vote.question, one.person) for one in stored}) == len(stored), "somebody answered twice"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--questions", type=int, default=5000)
    parser.add_argument(
        "--think", type=float, default=0.2, help="mean seconds between getting a question and answering"
    )
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL server of its own instead of SQLite")
    parser.add_argument("--twice", action="store_true", help="two people answer every question")
    args = parser.parse_args()
    args.per_question = 2 if args.twice else 1
    team = f"team: {args.people}, twice: 0.0, doubt: false"
    args.rules = f"{team}, per_document: {args.per_question}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(postgres_server()).url if args.postgres else None
        measure(args, folder, store)


if __name__ == "__main__":
    main()
