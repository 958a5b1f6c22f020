"""An open-loop load generator in a separate process: requests are sent on schedule, independent of earlier responses.

python benchmarks/open_loop.py '{"url": ..., "rate": 50, "seconds": 10, ...}'   prints one JSON line a request
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence

import aiohttp
import uvloop

# Seconds after which a request without a response counts as hanging.
HANGS_S = 60.0


async def ask(session: aiohttp.ClientSession, url: str, body: bytes, since: float, began: float) -> dict[str, object]:
    """Send one request; latency counts from when it was due."""
    status, model, results = 0, None, None
    try:
        async with session.post(url, data=body, headers={"content-type": "application/json"}) as response:
            status = response.status
            data = await response.read()
            if status == 200:
                answer = json.loads(data)
                model, results = answer["model"]["name"], [[r["label"], r["confidence"]] for r in answer["results"]]
    except TimeoutError:
        status = -1
    except aiohttp.ClientError:
        status = -2
    now = time.perf_counter()
    return {"at": since - began, "ms": 1000 * (now - since), "status": status, "model": model, "results": results}


async def open_loop(session: aiohttp.ClientSession, url: str, bodies: Sequence[bytes], rate: float, seconds: float):
    """Poisson arrivals: the gaps are exponential."""
    rng, began, due = random.Random(0), time.perf_counter(), 0.0
    tasks = []
    while due < seconds:
        await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(session, url, rng.choice(bodies), began + due, began)))
        due += rng.expovariate(rate)
    return [await task for task in tasks]


async def closed_loop(session: aiohttp.ClientSession, url: str, bodies: Sequence[bytes], callers: int, seconds: float):
    """Run this many callers, each of which sends its next request after each response, to saturate the service."""
    began, found = time.perf_counter(), []

    async def caller(seed: int) -> None:
        rng = random.Random(seed)
        while time.perf_counter() - began < seconds:
            found.append(await ask(session, url, rng.choice(bodies), time.perf_counter(), began))

    await asyncio.gather(*(caller(i) for i in range(callers)))
    return found


async def main(asked: dict[str, object]) -> None:
    texts, each = asked["texts"], asked.get("each", 1)
    bodies = [json.dumps({"texts": texts[i : i + each]}).encode() for i in range(0, len(texts) - each + 1, each)]
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=HANGS_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        if "callers" in asked:
            found = await closed_loop(session, asked["url"], bodies, asked["callers"], asked["seconds"])
        else:
            found = await open_loop(session, asked["url"], bodies, asked["rate"], asked["seconds"])
    for one in found:
        print(json.dumps(one))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        uvloop.run(main(json.load(file)))
