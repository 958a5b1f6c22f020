"""People answer: annotate."""

import os

import click

from laud_ray.cli.output import print_text


@click.command(short_help="Answer a run's questions in a browser.")
@click.argument("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8100, type=click.IntRange(0, 65535), show_default=True, help="The port; 0 for any.")
@click.option(
    "--tokens",
    metavar="FILE",
    help="Who may answer: a line NAME:ROLE:TOKEN for each person, with the role annotator, adjudicator or owner. "
    "The file is read again when it changes.",
)
@click.option("--who", default="local", show_default=True, help="Without tokens: the name that answers are kept under.")
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    help="Another host name, beside localhost, that requests may name (e.g. a proxy's).",
)
def annotate(run: str, host: str, port: int, tokens: str | None, who: str, allow_hosts: tuple[str, ...]) -> None:
    """Show the questions of RUN to people in their browsers, until Ctrl-C.

    Start it beside `laud run --wait RUN.yaml`, or between two calls of `laud run`. It needs no Ray and loads no model.
    """
    from pkgutil import resolve_name

    # The application imports this package, and is named here only to be started.
    resolve_name("serve.annotate.launch:command")(
        run if "://" in run else os.path.abspath(run),
        host=host,
        port=port,
        tokens=tokens,
        who=who,
        allow_hosts=allow_hosts,
        say=print_text,
    )
