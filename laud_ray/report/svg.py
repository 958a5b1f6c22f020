"""Draw with matplotlib as SVG text for use inside an HTML page.

Colours are CSS variables of the page with a fallback, so that they follow its dark mode. No user-supplied text is
drawn. The same data gives the same bytes.
"""

import io
import re
from collections.abc import Callable

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1c2330", "#667085", "#e4e7ec", "#fefefe"
ACCENT, WARN = "#2f5fd0", "#c2410b"
STEPS = ("#4575b5", "#e08f2d", "#3f9a84", "#a05a9c", "#8d99a8", "#c4b14a", "#7a5c46", "#5ab4d6")
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    ACCENT: "--accent",
    WARN: "--warn",
    **{color: f"--step-{number}" for number, color in enumerate(STEPS)},
}
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}
_WIDTH = 6.6  # inches of 72 units: about the width at which the page shows one of two panels
_MARGINS = (0.62, 0.52, 0.06, 0.1)  # inches: left, bottom, right, top


def svg(draw: Callable[[Axes], None], *, height: float, salt: str, title: str, left: float = _MARGINS[0]) -> str:
    """Return as SVG what `draw` draws on empty axes.

    Args:
        height: in inches of 72 units.
        salt: makes the ids of several plots on one page distinct.
        title: what the plot shows, for readers who do not see it.
        left: the room for labels of the vertical axis, in inches.
    """
    with matplotlib.style.context(["default", {**_STYLE, "svg.hashsalt": salt}]):
        figure = Figure(figsize=(_WIDTH, height))
        _, bottom, right, top = _MARGINS
        figure.subplots_adjust(left / _WIDTH, bottom / height, 1 - right / _WIDTH, 1 - top / height)
        draw(figure.add_subplot())
        out = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", metadata=nothing)
    return _inline(out.getvalue(), title)


def _inline(svg: str, title: str) -> str:
    """Adapt a standalone SVG to HTML: remove prolog, namespaces, size, font, page-wide style and unused ids."""
    svg = svg[svg.index("<svg") :].strip()
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]+; ", "", svg)
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", svg)
    svg = re.sub(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg role="img" aria-label="{title}" \1>', svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable}, {color})")
    return svg
