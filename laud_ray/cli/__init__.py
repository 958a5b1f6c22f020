"""The command line: arguments -> config -> loop. A user error is one line and exit code 2.

Each command imports slow modules itself, so that `laud --help` stays fast.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from laud_ray.cli.commands import (
    annotating,
    audience,
    catalogs,
    evaluation,
    jobs,
    labels,
    oracle,
    questions,
    registry,
    runs,
    serving,
    updating,
)
from laud_ray.cli.ending import STOPPED, TERMINATED, close_ray, leave_on_sigterm
from laud_ray.cli.output import ShownFormatter, print_crash, print_text, say
from laud_ray.errors import LaudError, UserError
from laud_ray.storage.causes import full_disk
from laud_ray.storage.credentials import held_by

COMMANDS = (
    *(runs.init, runs.plan, runs.run, runs.status, runs.report),
    *(registry.models, registry.promote, evaluation.evaluate, oracle.oracle),
    *(labels.labels, updating.update),
    *(annotating.annotate, questions.questions),
    *(catalogs.relabel, catalogs.diff, audience.audience, serving.serve, jobs.submit),
)


@click.group(commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="laud_ray")
@click.pass_context
def laud(context: click.Context) -> None:
    """Turn a pile of unlabeled text into a calibrated classifier."""
    if context.invoked_subcommand is None:
        print_text(context.get_help(), err=True)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of `laud`."""
    leave_on_sigterm()
    _quieten()
    sys.excepthook = print_crash
    _refuse_credentials(sys.argv[1:] if arguments is None else arguments)
    try:
        laud.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except SystemExit as leaving:
        if leaving.code == TERMINATED:
            close_ray()
        raise
    except (click.exceptions.Abort, KeyboardInterrupt):
        _leave(STOPPED, 130)
    except click.UsageError as error:
        hint = f" (try {error.ctx.command_path} --help)" if error.ctx else ""
        _leave(f"{error.format_message()}{hint}", 2)
    except UserError as error:
        _leave(str(error), 2)
    except LaudError as error:
        _leave(str(error), 1)
    except Exception as error:
        if (full := full_disk(error)) is not None:
            _leave(f"{full}; run the same command again to resume when there is room", 1)
        if isinstance(error, OSError):
            _leave(f"{error}; run the same command again to resume when this is fixed", 1)
        if isinstance(error, _foreign()):
            _leave(str(error).partition("\n")[0], 1)
        raise


def _quieten() -> None:
    """Silence libraries, whose log lines would mix with the command's output. Variables set by the user stay."""
    for key, value in {
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # Without this, Ray dumps its stack on SIGTERM. Ray reads the variable on import, in workers too.
        "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
        # Without this, a call to Ray during shutdown would start another Ray.
        "RAY_ENABLE_AUTO_CONNECT": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }.items():
        os.environ.setdefault(key, value)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ShownFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("ray", "ray.data", "ray.train", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _refuse_credentials(arguments: Sequence[str]) -> None:
    """Refuse arguments with a password or key in a URL, which would end up in plans, logs and the list of jobs."""
    for one in arguments:
        if (found := held_by(one)) is not None:
            _leave(f"{one}: holds {found}; expected a URL without credentials, which belong in the environment", 2)


def _leave(message: str, code: int) -> NoReturn:
    say(message)
    raise SystemExit(code)


def _foreign() -> tuple[type[Exception], ...]:
    """Return the exceptions that libraries raise for a damaged file of a run, without importing these libraries."""
    pyarrow = sys.modules.get("pyarrow")
    return (pyarrow.ArrowException,) if pyarrow else ()
