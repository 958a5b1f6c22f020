"""Render an experiment as one self-contained HTML file, without scripts and external resources."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from laud_ray.audience.measure import Measured
from laud_ray.audience.verdict import percent, verdict
from laud_ray.report.audience import lift_plot
from laud_ray.report.audience.lift_sections import ctr, lift_sections

_HERE = Path(__file__).parent


def render(found: Measured) -> str:
    """Return the HTML page. The same result gives the same bytes."""
    environment = Environment(
        loader=FileSystemLoader([_HERE, _HERE.parent / "run"]),  # the style is that of a run's report
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kept"] = lambda text: text.replace(" %", "\u00a0%")  # no line break within a figure
    return environment.get_template("page.html").render(
        found=found,
        lift=found.relative,
        verdict=verdict(found),
        sections=lift_sections(found),
        plots={"lifts": Markup(lift_plot.lifts(found)), "rates": Markup(lift_plot.rates(found))},
        percent=percent,
        ctr=ctr,
    )
