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
from laud_ray.printable import first_line, shown

# If the log stream breaks off, it is reopened after RETRY_S seconds, at most RETRIES times in a row.
RETRY_S, RETRIES = 1.0, 30
DETACHED = 130  # exit code when the user stops following the log
SETTLE_S = 0.2  # the log ends a moment before Ray updates the job's status
START = "`ray start --head` starts one on this machine; docs/cluster.md describes other ways"
_UNREACHABLE = (ConnectionError, requests.RequestException, aiohttp.ClientError)


def submit_and_follow(
    job: Submission, *, address: str | None, again: bool, follow: bool, say: Callable[[str], None]
) -> int:
    """Submit a job unless it runs or has succeeded, follow its log, and return its exit code.

    Args:
        address: of the cluster; None: RAY_API_SERVER_ADDRESS, else RAY_ADDRESS, else the cluster on this machine.
        again: whether to run a job again that has succeeded.
        follow: whether to follow the log; if not, 0 is returned as soon as the job is submitted.
        say: called with each line about the job; the job's own log goes to stdout.

    Raises:
        AddressError: if the cluster cannot be reached.
        JobError: if the cluster refuses the job, or contact with it is lost.
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


SUBMITTED, RUNNING = "submitted", "is already running"
SUCCEEDED = "has already succeeded; --again runs it again"


def submit(client: JobSubmissionClient, job: Submission, *, again: bool = False) -> tuple[str, str]:
    """Submit the next attempt at a job, unless one is running or has succeeded.

    Of several callers at once, only one submits, because Ray refuses an id that is in use.

    Returns:
        The submission id of the attempt, and its state in words, such as "submitted".

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
                again = False  # another caller was faster; use its attempt
                continue
            raise JobError(f"{name}: the cluster refuses the job: {_line(error)}") from None
        return name, SUBMITTED if last is None else f"{SUBMITTED}; {job.attempt(number)} {_ended(last)}"


def connect(address: str | None) -> JobSubmissionClient:
    """Connect to the cluster's head node.

    Raises:
        AddressError: if no cluster answers at the address, or it refuses the token.
    """
    if address is not None:
        # Ray prefers this environment variable to the argument.
        os.environ["RAY_API_SERVER_ADDRESS"] = address
    tried = os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS") or "a cluster on this machine"
    # Ray sets its log levels when it is imported, and would write before the command's own lines.
    logging.getLogger("ray").setLevel(logging.ERROR)
    # ray.init and `ray start` use an existing token; the job client does so only after this call.
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    try:
        return JobSubmissionClient(address)
    except _UNREACHABLE as error:
        raise AddressError(f"no Ray cluster was reached at {tried} ({_line(error)}); {START}") from None
    except AuthenticationError:
        raise AddressError(
            f"the Ray cluster at {tried} refuses the token, or received none; expected the cluster's token in "
            "RAY_AUTH_TOKEN or ~/.ray/auth_token, and RAY_AUTH_MODE=token"
        ) from None
    except (RuntimeError, ValueError, RayError) as error:
        raise AddressError(f"the Ray cluster at {tried} cannot be used: {_line(error)}") from None


def _attempts(client: JobSubmissionClient, job: Submission) -> list[JobDetails]:
    """Return all attempts at a job on the cluster, in order."""
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
        say(f"{name}: the job keeps running.")
        say(f"Follow it: run the same command again, or `ray job logs -f {name}{where}`")
        say(f"Stop it: `ray job stop {name}{where}`")
        return DETACHED


async def _copy_log(client: JobSubmissionClient, name: str) -> None:
    """Write a job's log to stdout until the job has ended, across broken connections."""
    written = failures = 0
    while True:
        passed = 0
        try:
            async for text in client.tail_job_logs(name):
                fresh = text[max(0, written - passed) :]  # a new connection sends the log from its start
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
    except requests.RequestException:  # the next read of the log shows whether the head node is back
        return False


def _exit_code(ended: JobDetails, say: Callable[[str], None]) -> int:
    """Return the script's exit code: 1 if it has none, and 128 + n if signal n ended it."""
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
    return first_line(error).partition("\\n")[0][:300]
