"""Run scripts as Ray jobs: submit."""

import click

from laud_ray.cli.output import say


@click.command(short_help="Run a script as a Ray job; the same call is the same job.")
@click.argument("script")
@click.argument("arguments", nargs=-1)
@click.option(
    "--address", help="The cluster's dashboard, such as http://127.0.0.1:8265; by default that of RAY_ADDRESS."
)
@click.option("--working-dir", default=".", show_default=True, help="The folder that is uploaded with the job.")
@click.option("--no-follow", is_flag=True, help="Submit the job, print its id and return.")
@click.option("--again", is_flag=True, help="Run a job again that has already succeeded.")
@click.option("--cpus", default=0.0, type=click.FloatRange(0), help="Cores to reserve for the script itself.")
@click.option("--gpus", default=0.0, type=click.FloatRange(0), help="GPUs to reserve for the script itself.")
@click.option("--on", multiple=True, metavar="LABEL=VALUE", help="Run the script on a node with this label.")
def submit(
    script: str,
    arguments: tuple[str, ...],
    address: str | None,
    working_dir: str,
    no_follow: bool,
    again: bool,
    cpus: float,
    gpus: float,
    on: tuple[str, ...],
) -> None:
    """Run SCRIPT with ARGUMENTS (after --) as a Ray job. Submitting the same again refers to the same job.

    A job that is running is followed, one that has succeeded is not run again, and one that has failed is resumed. The
    exit code is that of the job.
    """
    from laud_ray.cluster.submission import Needs, submission
    from laud_ray.cluster.submit import submit_and_follow

    wanted = submission(script, arguments, working_dir, Needs.of(cpus, gpus, on))
    code = submit_and_follow(wanted, address=address, again=again, follow=not no_follow, say=say)
    raise SystemExit(code)
