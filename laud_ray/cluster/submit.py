"""Submit a script as a Ray job, once, and follow it."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable

import aiohttp
import requests
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from laud_ray.cluster.submission import Submission
from laud_ray.cluster.upload import EXCLUDES
from laud_ray.errors import AddressError, JobError
from laud_ray.printable import shown

# A log that breaks off is asked for again after so many seconds, so often.
RETRY_S, RETRIES = 1.0, 30
DETACHED = 130
# The log ends a moment before the status is written.
SETTLE_S = 0.2
START = "`ray start --head` starts one on this machine, docs/cluster.md says how to start others"
_UNREACHABLE = (ConnectionError, requests.RequestException, aiohttp.ClientError)


def submit_and_follow(
    job: Submission, *, address: str | None, again: bool, follow: bool, say: Callable[[str], None]
) -> int:
    """Submit a job unless it runs or has succeeded, follow its log, and return its exit code.

    Args:
        address: of the cluster; None for that of RAY_API_SERVER_ADDRESS or RAY_ADDRESS, or the one on this machine.
        again: run once more what has succeeded.
        follow: False returns 0 as soon as the job is submitted.
        say: is given lines about the job; its own log goes to stdout.

    Raises:
        AddressError: if the cluster cannot be reached.
        JobError: if it refuses.
    """
    client = connect(address)
    try:
        name, found = submit(client, job, again=again)
        say(f"{name}: {found}")
        if found == SUCCEEDED or not follow:
            return 0
        return _follow(client, name, say)
    except (*_UNREACHABLE, RuntimeError, RayError) as error:
        raise JobError(
            f"Lost contact with the cluster ({_line(error)}). Run the same command again to resume."
        ) from None


SUBMITTED, RUNNING = "submitted", "runs already"
SUCCEEDED = "has succeeded already; --again runs it once more"


def submit(client: JobSubmissionClient, job: Submission, *, again: bool = False) -> tuple[str, str]:
    """Submit the next attempt at a job, unless one runs or has succeeded; return its id and what was found.

    Of any number of callers at once, one submits: Ray refuses an id that is used.

    Raises:
        JobError: if the cluster refuses the job.
    """
    while True:
        attempts = _attempts(client, job)
        number, last = len(attempts), attempts[-1] if attempts else None
        if last is not None and not last.status.is_terminal():
            return job.attempt(number), RUNNING
        if last is not None and last.status == JobStatus.SUCCEEDED and not again:
            return job.attempt(number), SUCCEEDED
        name = job.attempt(number + 1)
        try:
            client.submit_job(
                submission_id=name,
                entrypoint=job.entrypoint,
                runtime_env={"working_dir": str(job.folder), "excludes": list(EXCLUDES)},
                entrypoint_num_cpus=job.needs.cpus or None,
                entrypoint_num_gpus=job.needs.gpus or None,
                entrypoint_label_selector=job.needs.labels or None,
            )
        except (RuntimeError, ValueError) as error:
            if len(_attempts(client, job)) > number:
                again = False  # another caller was faster: theirs is the one
                continue
            raise JobError(f"{name}: the cluster refuses it: {_line(error)}") from None
        return name, SUBMITTED if last is None else f"{SUBMITTED}; {job.attempt(number)} {_ended(last)}"


def connect(address: str | None) -> JobSubmissionClient:
    """Reach the cluster's head.

    Raises:
        AddressError: one line that names the address that was tried.
    """
    if address is not None:
        # In Ray, the environment wins over what it is given.
        os.environ["RAY_API_SERVER_ADDRESS"] = address
    tried = os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS") or "a cluster on this machine"
    # Ray sets its own levels when it is imported, and would write before the lines of the command.
    logging.getLogger("ray").setLevel(logging.ERROR)
    # As ray.init and `ray start` do, and the client does not: a token that is there is used.
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    try:
        return JobSubmissionClient(address)
    except _UNREACHABLE as error:
        raise AddressError(f"no Ray cluster was reached at {tried} ({_line(error)}); {START}") from None
    except AuthenticationError:
        raise AddressError(
            f"the Ray cluster at {tried} refuses the token that it was given, or was given none; expected its own in "
            "RAY_AUTH_TOKEN or ~/.ray/auth_token, and RAY_AUTH_MODE=token"
        ) from None
    except (RuntimeError, ValueError, RayError) as error:
        raise AddressError(f"the Ray cluster at {tried} was not usable: {_line(error)}") from None


def _attempts(client: JobSubmissionClient, job: Submission) -> list[JobDetails]:
    """All attempts at a job that the cluster knows, in order."""
    known = {one.submission_id: one for one in client.list_jobs() if one.submission_id}
    found: list[JobDetails] = []
    while job.attempt(len(found) + 1) in known:
        found.append(known[job.attempt(len(found) + 1)])
    return found


def _follow(client: JobSubmissionClient, name: str, say: Callable[[str], None]) -> int:
    try:
        asyncio.run(_copy_log(client, name))
        return _exit_code(client.get_job_info(name), say)
    except KeyboardInterrupt:
        where = f" --address {client.get_address()}"
        say(f"{name}: the job goes on. Run the same command again, or `ray job logs -f {name}{where}`, to follow it.")
        say(f"`ray job stop {name}{where}` stops it")
        return DETACHED


async def _copy_log(client: JobSubmissionClient, name: str) -> None:
    """Write a job's log to stdout until the job has ended, across broken connections."""
    written = failures = 0
    while True:
        passed = 0
        try:
            async for text in client.tail_job_logs(name):
                fresh = text[max(0, written - passed) :]  # a new connection begins at the start
                passed += len(text)
                written, failures = max(written, passed), 0
                sys.stdout.write(shown(fresh))
                sys.stdout.flush()
        except (RuntimeError, aiohttp.ClientError):
            failures += 1
            if failures > RETRIES:
                raise ConnectionError(f"the log of {name} broke off") from None
        if _has_ended(client, name):
            return
        await asyncio.sleep(RETRY_S if failures else SETTLE_S)


def _has_ended(client: JobSubmissionClient, name: str) -> bool:
    try:
        return bool(client.get_job_status(name).is_terminal())
    except requests.RequestException:  # the next look at the log tells whether the head comes back
        return False


def _exit_code(ended: JobDetails, say: Callable[[str], None]) -> int:
    """The exit code of the script; 1 where there is none, and 128 + n where signal n ended it."""
    if ended.status == JobStatus.SUCCEEDED:
        return 0
    code: int | None = ended.driver_exit_code
    say(f"{ended.submission_id}: {_ended(ended)}. Run the same command again to resume.")
    if ended.status == JobStatus.STOPPED or not code:
        return 1
    return 128 - code if code < 0 else code


def _ended(job: JobDetails) -> str:
    if job.status == JobStatus.STOPPED:
        return "was stopped"
    if job.status == JobStatus.SUCCEEDED:
        return "has succeeded"
    code = job.driver_exit_code
    return f"ended with exit code {code}" if code is not None else f"failed: {_line(job.message or 'no reason given')}"


def _line(error: object) -> str:
    text = str(error).strip() or type(error).__name__
    return text.replace("\\n", "\n").partition("\n")[0][:300]
