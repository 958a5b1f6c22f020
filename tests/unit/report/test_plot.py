"""Plots in plain characters."""

from laud_ray.report.run.plot import Plot

Y = [(0, "0 %"), (50, "50 %"), (100, "100 %")]


def test_what_is_drawn_later_covers_what_was_drawn_before() -> None:
    plot = Plot([(0, "0"), (10, "10")], Y, width=18, height=9)
    plot.line([(0, 0), (10, 0)], "·")
    plot.line([(0, 0), (10, 100)])
    plot.points([(0, 0), (10, 100)], "●")
    assert [line.rstrip() for line in plot.text("n").splitlines()] == [
        "     ┌───────────┐",
        "100 %┤          ●│",
        "     │       ⢀⠔⠉ │",
        " 50 %┤     ⡠⠊⠁   │",
        "     │  ⢀⠔⠉      │",
        "  0 %┤●⠊⠁········│",
        "     └┬─────────┬┘",
        "      0         10",
        "         n",
    ]


def test_labels_do_not_overlap() -> None:
    lines = Plot([(0, "0"), (9_000, "9000"), (10_000, "10000")], Y, width=18, height=9).text("n").splitlines()
    assert lines[-3].count("┬") == 3
    assert lines[-2].split() == ["0", "9000"]
    assert {len(line) for line in lines[:-1]} == {18}


def test_a_value_outside_of_the_ticks_lies_on_the_edge() -> None:
    plot = Plot([(0, "0"), (10, "10")], Y, width=18, height=9)
    plot.points([(12, 120)], "●")
    assert plot.text("n").splitlines()[1] == "100 %┤          ●│"
