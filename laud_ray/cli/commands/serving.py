"""Serve a model over HTTP: serve."""

import os

import click

from laud_ray.cli.output import print_text


@click.command(short_help="Serve a run's current model over HTTP.")
@click.argument("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, type=click.IntRange(1, 65535), show_default=True, help="The port to listen on.")
@click.option(
    "--replicas", default=1, type=click.IntRange(1), show_default=True, help="The number of replicas (processes)."
)
@click.option("--cpus", default=1.0, show_default=True, help="CPU cores for each replica.")
@click.option("--gpus", default=0.0, show_default=True, help="GPUs for each replica, or the share of one.")
@click.option(
    "--tokens",
    metavar="FILE",
    help="A file of bearer tokens, one per line; LAUD_TOKENS in the environment is read too.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    help="Without tokens: another host name, beside localhost, that requests may name (e.g. a proxy's).",
)
@click.option("--threshold", default=0.0, show_default=True, help="Mark answers below this confidence as abstained.")
def serve(
    run: str,
    host: str,
    port: int,
    replicas: int,
    cpus: float,
    gpus: float,
    tokens: str | None,
    allow_hosts: tuple[str, ...],
    threshold: float,
) -> None:
    """Serve the current model of RUN, or the model in the folder RUN, over HTTP until Ctrl-C."""
    from pkgutil import resolve_name

    # The application imports this package, and is named here only to be started.
    resolve_name("serve.launch:command")(
        {
            "run": run if "://" in run else os.path.abspath(run),
            "replicas": replicas,
            "cpus": cpus,
            "gpus": gpus,
            "tokens_file": None if tokens is None else os.path.abspath(tokens),
            "allow_hosts": allow_hosts,
            "threshold": threshold,
        },
        host=host,
        port=port,
        say=print_text,
    )
