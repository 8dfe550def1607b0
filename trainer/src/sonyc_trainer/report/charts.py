"""The charts of the report: each takes the rows that its CSV file will hold, and draws nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from sonyc_trainer.report.markup import Markup, element, joined, number
from sonyc_trainer.report.svg import (
    Frame,
    colour,
    drawing,
    legend,
    line,
    marker,
    rectangle,
    rule,
    text,
    ticks,
    twentieths_around,
    value_axis,
    whisker,
)

_DODGE: Final = 7.0
_PANEL: Final = Frame(width=230, height=165, left=40, right=6, top=8, bottom=22)


class Point(NamedTuple):
    """A value of a series at a place of the horizontal axis, with its interval where there is one."""

    series: str
    x: str
    value: float
    low: float | None = None
    high: float | None = None


class Curve(NamedTuple):
    """A value of a series after an epoch."""

    panel: str
    series: str
    epoch: int
    value: float


@dataclass(frozen=True)
class Axes:
    """What the two axes of a chart are.

    Attributes:
        x_names: Places of the horizontal axis, in order.
        x_title: What they are.
        y_title: What the values are.
        low: Least value shown.
        high: Largest value shown.
    """

    x_names: Sequence[str]
    x_title: str
    y_title: str
    low: float = 0.0
    high: float = 1.0


def axes_around(points: Sequence[Point], x_names: Sequence[str], *, x_title: str, y_title: str) -> Axes:
    """Give axes that all points and intervals fit into, from one twentieth to another."""
    values = [v for p in points for v in (p.value, p.low, p.high) if v is not None]
    return Axes(x_names, x_title, y_title, *twentieths_around(values))


def line_chart(points: Sequence[Point], series: Sequence[str], axes: Axes) -> Markup:
    """Draw a line per series over named places, its intervals as whiskers, with the legend."""
    frame = Frame(low=axes.low, high=axes.high)
    parts = _axes(frame, axes)
    for index, name in enumerate(series):
        parts += _series(frame, axes, [p for p in points if p.series == name], index, len(series))
    label = f"{axes.y_title} over {axes.x_title}, a line for each of {', '.join(series)}"
    return joined([legend(series), drawing(frame, parts, label)])


def panel_charts(panels: dict[str, Sequence[Point]], series: Sequence[str], axes: Axes) -> Markup:
    """Draw a small line chart per panel, all on the same axes, with one legend."""
    frame = replace(_PANEL, low=axes.low, high=axes.high)
    figures = []
    for name, points in panels.items():
        parts = _ticked(frame, axes, every=0.25)
        for index, one in enumerate(series):
            parts += _series(frame, axes, [p for p in points if p.series == one], index, len(series))
        chart = drawing(frame, parts, f"{axes.y_title} of {name} over {axes.x_title}")
        figures.append(element("figure", joined([element("h3", name), chart])))
    return joined([legend(series), element("div", joined(figures), class_="panels")])


def curve_charts(curves: Sequence[Curve], series: Sequence[str]) -> Markup:
    """Draw a small chart over epochs per panel, all on the same axes, with one legend."""
    high = max(curve.value for curve in curves)
    last = max(curve.epoch for curve in curves)
    frame = replace(_PANEL, low=0.0, high=high * 1.02, left=26)
    figures = []
    for name in dict.fromkeys(curve.panel for curve in curves):
        parts = [*value_axis(frame, ticks(0.0, high, 4), digits=1 if high < 4 else 0), *_epochs(frame, last)]
        for index, one in enumerate(series):
            own = [c for c in curves if c.panel == name and c.series == one]
            path = [(frame.along(c.epoch / last), frame.y(c.value)) for c in own]
            parts.append(line(path, colour=colour(index)))
            x, y = path[-1]
            parts.append(marker(index, x, y, value=own[-1].value, title=f"{name}, {one}: {own[-1].value:.3f}"))
        figures.append(element("figure", joined([element("h3", name), drawing(frame, parts, f"Loss of {name}")])))
    return joined([legend(series), element("div", joined(figures), class_="panels")])


def difference_chart(points: Sequence[Point], title: str) -> Markup:
    """Draw differences with their intervals as horizontal lines beside a line at zero, one row each."""
    values = [v for p in points for v in (p.value, p.low, p.high) if v is not None]
    reach = max(0.02, *map(abs, values)) * 1.1
    frame = Frame(height=54 + 26 * len(points), left=124, bottom=40, low=-reach, high=reach)

    def x(value: float) -> float:
        return frame.along((value + reach) / (2 * reach))

    parts = []
    for value in ticks(-reach, reach, 4):
        kind = "axis" if value == 0 else "grid"
        parts.append(rule(x(value), frame.top, x(value), frame.floor, kind=kind))
        parts.append(text(x(value), frame.floor + 15, number(value, 2)))
    for row, point in enumerate(points):
        y = frame.top + 16 + 26 * row
        parts.append(text(frame.left - 8, y + 4, f"{point.x}, head {point.series}", anchor="end", kind="ink"))
        if point.low is not None and point.high is not None:
            parts.append(line([(x(point.low), y), (x(point.high), y)], colour=colour(0), width=2))
        parts.append(marker(0, x(point.value), y, value=point.value, title=described(point)))
    parts.append(text(frame.along(0.5), frame.height - 6, title))
    return drawing(frame, parts, title)


def stacked_bars(rows: Sequence[tuple[str, dict[str, int]]]) -> Markup:
    """Draw a horizontal bar per row, divided as its numbers are, with the legend."""
    names = list(rows[0][1])
    largest = max(sum(numbers.values()) for _, numbers in rows) or 1
    frame = Frame(height=10 + 24 * len(rows), left=132, right=34, top=4, bottom=6)
    parts = []
    for row, (label, numbers) in enumerate(rows):
        y, done = frame.top + 24 * row, 0
        parts.append(text(frame.left - 8, y + 14, label, anchor="end", kind="ink"))
        for index, name in enumerate(names):
            x, width = frame.along(done / largest), numbers[name] / largest * frame.inner_width
            bar = {"fill": colour(index), "data_value": numbers[name], "title": f"{label}, {name}: {numbers[name]}"}
            parts.append(rectangle(x, y + 3, width - (0.8 if width > 1.6 else 0.0), 14, **bar))
            done += numbers[name]
        parts.append(text(frame.along(done / largest) + 5, y + 14, done, anchor="start"))
    return joined([legend(names), drawing(frame, parts, "Clips per class and split")])


def confusion_chart(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """Draw a confusion matrix: true class down, recognised class across, shaded by the share of the true class."""
    cell, left, top = 27.0, 132.0, 136.0
    frame = Frame(width=left + cell * len(labels) + 2, height=top + cell * len(labels) + 2)
    parts: list[Markup] = []
    for k, label in enumerate(labels):
        middle = (k + 0.5) * cell
        parts.append(text(left - 7, top + middle + 4, label, anchor="end", kind="ink"))
        x, y = left + middle + 4, top - 7
        upright = f"rotate(-90 {x:g} {y:g})"
        parts.append(
            element("text", label, x=f"{x:g}", y=f"{y:g}", text_anchor="start", class_="ink", transform=upright)
        )
        parts += _confusion_row(labels, k, counts[k], (left, top, cell))
    parts.append(text(left - 7, top - 8, "true ↓  heard →", anchor="end"))
    return drawing(frame, parts, "Confusion matrix")


def described(point: Point) -> str:
    """Say a point in words, as the chart does when it is pointed at."""
    interval = "" if point.low is None or point.high is None else f" ({point.low:.3f} to {point.high:.3f})"
    return f"{point.series} at {point.x}: {point.value:.3f}{interval}"


def _confusion_row(
    labels: Sequence[str], row: int, counts: Sequence[int], place: tuple[float, float, float]
) -> list[Markup]:
    left, top, cell = place
    total, y = sum(counts), top + row * cell
    parts = []
    for column, count in enumerate(counts):
        share = count / total if total else 0.0
        x = left + column * cell
        title = f"{labels[row]} heard as {labels[column]}: {count} of {total}"
        look = {"fill": "var(--cell)", "fill_opacity": f"{share:.3f}", "stroke": "var(--rule)", "title": title}
        parts.append(rectangle(x, y, cell, cell, data_value=count, **look))
        if count:
            parts.append(text(x + cell / 2, y + cell / 2 + 4, count, kind="ink"))
    return parts


def _axes(frame: Frame, axes: Axes) -> list[Markup]:
    parts = _ticked(frame, axes, every=0.05 if axes.high - axes.low <= 0.4 else 0.1)
    parts.append(text(frame.along(0.5), frame.height - 4, axes.x_title))
    middle = (frame.top + frame.floor) / 2
    upright = f"rotate(-90 10 {middle:g})"
    parts.append(
        element("text", axes.y_title, x="10", y=f"{middle:g}", text_anchor="middle", class_="soft", transform=upright)
    )
    return parts


def _ticked(frame: Frame, axes: Axes, *, every: float) -> list[Markup]:
    first, last = math.ceil(axes.low / every - 1e-9), math.floor(axes.high / every + 1e-9)
    parts = value_axis(frame, [round(k * every, 6) for k in range(first, last + 1)], digits=2)
    n = len(axes.x_names)
    return parts + [text(frame.slot(k, n), frame.floor + 15, name) for k, name in enumerate(axes.x_names)]


def _epochs(frame: Frame, last: int) -> list[Markup]:
    shown = [value for value in ticks(0, last, 4) if value]
    labels = [
        text(frame.along(value / last), frame.floor + 15, f"{value:.0f}", anchor="end" if value == last else "middle")
        for value in shown
    ]
    return [*labels, text(frame.left, frame.floor + 15, "epoch", anchor="start")]


def _series(frame: Frame, axes: Axes, points: Sequence[Point], index: int, n_series: int) -> list[Markup]:
    """Draw one series, a little to the side of the others so that intervals do not cover one another."""
    if not points:
        return []
    has_intervals = any(point.low is not None for point in points)
    shift = (index - (n_series - 1) / 2) * _DODGE if has_intervals else 0.0
    places = {name: frame.slot(k, len(axes.x_names)) + shift for k, name in enumerate(axes.x_names)}
    path = [(places[point.x], frame.y(point.value)) for point in points]
    parts = [
        whisker(places[p.x], frame.y(p.low), frame.y(p.high), colour=colour(index))
        for p in points
        if p.low is not None and p.high is not None
    ]
    parts.append(line(path, colour=colour(index), width=1.3))
    marks = zip(points, path, strict=True)
    return parts + [marker(index, x, y, value=point.value, title=described(point)) for point, (x, y) in marks]
