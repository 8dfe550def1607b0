"""SVG by hand: axes and marks that take the page's ink and colours, so that light and dark show the same figure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sonyc_trainer.report.markup import MINUS, Markup, element, joined

N_COLOURS = 7
_MARKER_SIZE = 3.4


@dataclass(frozen=True)
class Frame:
    """The drawing area of a chart, in units of its view box.

    Attributes:
        width: Of the whole chart.
        height: Of the whole chart.
        left: Space for the labels of the vertical axis.
        right: Space after the area.
        top: Space above it.
        bottom: Space for the labels of the horizontal axis.
        low: Value at its lower edge.
        high: Value at its upper edge.
    """

    width: float = 360
    height: float = 240
    left: float = 52
    right: float = 10
    top: float = 10
    bottom: float = 36
    low: float = 0.0
    high: float = 1.0

    @property
    def inner_width(self) -> float:
        """Width of the area itself."""
        return self.width - self.left - self.right

    @property
    def floor(self) -> float:
        """Where the lower edge is."""
        return self.height - self.bottom

    def y(self, value: float) -> float:
        """Where a value is, from the top."""
        share = (value - self.low) / (self.high - self.low)
        return self.floor - share * (self.floor - self.top)

    def slot(self, index: int, n: int) -> float:
        """Where the middle of the `index`-th of `n` equal columns is."""
        return self.left + (index + 0.5) / n * self.inner_width

    def along(self, share: float) -> float:
        """Where a share 0 ... 1 of the width is."""
        return self.left + share * self.inner_width


def drawing(frame: Frame, parts: Sequence[object], label: str) -> Markup:
    """Give a whole SVG with a text for those who do not see it."""
    box = f"0 0 {_n(frame.width)} {_n(frame.height)}"
    return Markup(f'<svg viewBox="{box}" role="img" aria-label="{_attribute(label)}">\n{joined(parts)}\n</svg>')


def text(x: float, y: float, content: object, *, anchor: str = "middle", kind: str = "soft") -> Markup:
    """Give a text whose baseline is at `y`."""
    return element("text", content, x=_n(x), y=_n(y), text_anchor=anchor, class_=kind)


def line(points: Sequence[tuple[float, float]], *, colour: str, width: float = 1.6, dash: str = "") -> Markup:
    """Give a line through points."""
    path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    extra = f' stroke-dasharray="{dash}"' if dash else ""
    return Markup(
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linejoin="round"{extra}/>'
    )


def rule(x1: float, y1: float, x2: float, y2: float, *, kind: str = "grid") -> Markup:
    """Give a straight line of the axes."""
    return Markup(f'<line class="{kind}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>')


def rectangle(x: float, y: float, width: float, height: float, **attributes: object) -> Markup:
    """Give a rectangle, with a title where `title` is given."""
    title = attributes.pop("title", "")
    content = element("title", title) if title else ""
    size = {"x": _n(x), "y": _n(y), "width": _n(max(width, 0.0)), "height": _n(height)}
    return element("rect", content, **size, **attributes)


def marker(index: int, x: float, y: float, *, value: float, title: str) -> Markup:
    """Give the mark of a series at a point; it carries its exact value, and says it when pointed at."""
    return element(
        "path", element("title", title), d=_shape(index, x, y), fill=colour(index), data_value=repr(float(value))
    )


def whisker(x: float, low_y: float, high_y: float, *, colour: str) -> Markup:
    """Give an interval as a thin vertical line."""
    return Markup(
        f'<line x1="{_n(x)}" y1="{_n(low_y)}" x2="{_n(x)}" y2="{_n(high_y)}" stroke="{colour}" stroke-opacity="0.45"/>'
    )


def colour(index: int) -> str:
    """Give the colour of a series, which the style sheet names."""
    return f"var(--s{index % N_COLOURS})"


def legend(names: Sequence[str]) -> Markup:
    """Give the one legend of a figure, which may have many panels."""
    items = []
    for index, name in enumerate(names):
        parts = [line([(0, 6), (22, 6)], colour=colour(index)), marker(index, 11, 6, value=0, title=name)]
        key = Markup(f'<svg viewBox="0 0 22 12" aria-hidden="true">{joined(parts)}</svg>')
        items.append(element("li", Markup(key + element("span", name))))
    return element("ul", joined(items), class_="legend")


def twentieths_around(values: Iterable[float]) -> tuple[float, float]:
    """Give the twentieths that all values lie within, one apart where they are all the same."""
    found = list(values)
    low, high = math.floor(min(found) * 20), math.ceil(max(found) * 20)
    return low / 20, max(high, low + 1) / 20


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Give about `n` round numbers within low ... high."""
    raw = (high - low) / n
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def value_axis(frame: Frame, values: Sequence[float], *, digits: int, unit: str = "") -> list[Markup]:
    """Give the grid lines of the vertical axis with their labels."""
    parts = []
    for value in values:
        y = frame.y(value)
        parts.append(rule(frame.left, y, frame.width - frame.right, y))
        parts.append(text(frame.left - 6, y + 3.8, f"{value:.{digits}f}{unit}".replace("-", MINUS), anchor="end"))
    return parts


def _shape(index: int, x: float, y: float) -> str:
    r = _MARKER_SIZE
    corners = {
        1: [(-r, -r), (r, -r), (r, r), (-r, r)],
        2: [(0, -r * 1.25), (r * 1.15, r), (-r * 1.15, r)],
        3: [(0, -r * 1.4), (r * 1.4, 0), (0, r * 1.4), (-r * 1.4, 0)],
        4: [(0, r * 1.25), (r * 1.15, -r), (-r * 1.15, -r)],
        5: [(-r * 1.5, -r * 0.6), (r * 1.5, -r * 0.6), (r * 1.5, r * 0.6), (-r * 1.5, r * 0.6)],
        6: [(-r * 0.6, -r * 1.5), (r * 0.6, -r * 1.5), (r * 0.6, r * 1.5), (-r * 0.6, r * 1.5)],
    }.get(index % N_COLOURS)
    if corners is None:
        return f"M{_n(x - r)},{_n(y)}a{_n(r)},{_n(r)} 0 1,0 {_n(2 * r)},0a{_n(r)},{_n(r)} 0 1,0 {_n(-2 * r)},0z"
    return "M" + "L".join(f"{_n(x + dx)},{_n(y + dy)}" for dx, dy in corners) + "z"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _attribute(content: str) -> str:
    return content.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
