"""HTML and SVG by hand: escaping, numbers, ticks, charts of hard data."""

import re

import pytest

from sonyc_trainer.report.charts import Axes, Point, axes_around, difference_chart, line_chart, stacked_bars
from sonyc_trainer.report.markup import Markup, element, html, number, table, with_interval
from sonyc_trainer.report.svg import Frame, legend, ticks


def test_text_is_escaped_and_markup_is_not() -> None:
    assert html("<b>&") == "&lt;b&gt;&amp;"
    assert html(Markup("<b>")) == "<b>"
    assert element("p", "a<b", class_="x", data_value='"') == '<p class="x" data-value="&quot;">a&lt;b</p>'
    assert "&lt;i&gt;" in table(["<i>"], [["<i>"]])


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.5, 3, "0.500"), (-0.0251, 3, "\N{MINUS SIGN}0.025"), (-0.0001, 3, "0.000"), (1234.5, 1, "1,234.5")],
)
def test_number_is_written_for_readers(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_estimate_without_an_interval_stands_alone() -> None:
    assert with_interval(0.25, 0.2, 0.3) == "0.250<small>0.20 to 0.30</small>"
    assert with_interval(0.25, float("nan"), float("nan")) == "0.250"


def test_what_is_unknown_is_a_dash() -> None:
    assert number(None) == number(float("nan")) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.45, 0.7, [0.45, 0.5, 0.55, 0.6, 0.65, 0.7]), (0, 61, [0, 20, 40, 60])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_frame_turns_values_upside_down() -> None:
    frame = Frame(low=0.2, high=0.8)
    assert frame.y(0.2) == frame.floor
    assert frame.y(0.8) == frame.top
    assert frame.slot(0, 2) == pytest.approx(frame.along(0.25))


def test_axes_hold_all_intervals() -> None:
    axes = axes_around([Point("a", "x", 0.5, 0.41, 0.58)], ["x"], x_title="x", y_title="y")
    assert (axes.low, axes.high) == (0.4, 0.6)
    same = axes_around([Point("a", "x", 1.0)], ["x"], x_title="x", y_title="y")
    assert same.low < same.high


def test_chart_has_one_legend_and_a_mark_per_point() -> None:
    points = [Point(name, x, 0.5) for name in ("a", "<b>") for x in ("pcm", "v5")]
    drawn = line_chart(points, ["a", "<b>"], Axes(["pcm", "v5"], "level", "F1"))
    assert drawn.count('class="legend"') == 1
    assert drawn.count('data-value="0.5"') == 4
    assert "<b>" not in drawn


def test_difference_of_nothing_can_be_drawn() -> None:
    drawn = difference_chart([Point("a", "v5", 0.0, 0.0, 0.0)], "difference")
    assert not re.search(r"nan|inf", drawn)


def test_empty_class_has_an_empty_bar() -> None:
    drawn = stacked_bars([("dog", {"train": 0, "test": 0}), ("music", {"train": 3, "test": 1})])
    assert drawn.count('data-value="0"') >= 2
    assert 'width="-' not in drawn


def test_series_differ_in_shape_and_colour() -> None:
    marks = re.findall(r'<path d="([^"]+)" fill="([^"]+)"', legend([str(k) for k in range(7)]))
    assert len(set(marks)) == len({colour for _, colour in marks}) == 7
