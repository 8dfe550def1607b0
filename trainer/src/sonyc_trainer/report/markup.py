"""HTML from text and numbers; whatever is not `Markup` already is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape
from math import isnan
from typing import Final

MINUS: Final = "\N{MINUS SIGN}"
DASH: Final = "\N{EN DASH}"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(content: object) -> Markup:
    """Give anything as HTML: `Markup` as it is, the rest escaped."""
    return content if isinstance(content, Markup) else Markup(escape(str(content)))


def joined(parts: Iterable[object]) -> Markup:
    """Give parts one after the other, a line each."""
    return Markup("\n".join(html(part) for part in parts))


def element(name: str, content: object = "", **attributes: object) -> Markup:
    """Give an element; `class_` is the attribute `class`, other underscores are hyphens."""
    pairs = (f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{''.join(pairs)}>{html(content)}</{name}>")


def paragraphs(texts: Iterable[object], **attributes: object) -> Markup:
    """Give each text as a paragraph."""
    return joined(element("p", text, **attributes) for text in texts)


def listed(texts: Iterable[object]) -> Markup:
    """Give texts as a list."""
    return element("ul", joined(element("li", text) for text in texts))


def details(summary: str, content: object) -> Markup:
    """Give content that is folded away."""
    return element("details", joined([element("summary", summary), content]))


def number(value: float | None, digits: int = 3) -> str:
    """Give a number for a table, with a real minus sign; a dash where there is none."""
    if value is None or isnan(value):
        return DASH
    text = f"{value:,.{digits}f}"
    is_zero = not text.strip("-0.,")
    return text.lstrip("-") if is_zero else text.replace("-", MINUS)


def with_interval(value: float, low: float, high: float, digits: int = 3) -> Markup:
    """Give an estimate with its interval beneath, smaller; alone where it has none."""
    if isnan(low):
        return html(number(value, digits))
    interval = f"{number(low, digits - 1)} to {number(high, digits - 1)}"
    return Markup(f"{html(number(value, digits))}{element('small', interval)}")


def table(
    headings: Sequence[object], rows: Iterable[Sequence[object]], *, n_text: int = 1, caption: object = ""
) -> Markup:
    """Give a table in a box of its own that scrolls where the screen is narrow.

    Args:
        headings: One per column.
        rows: Cells, escaped unless they are `Markup`.
        n_text: How many first columns are text, set to the left; the others are numbers, set to the right.
        caption: What stands above it.
    """
    kinds = ["text" if index < n_text else "number" for index in range(len(headings))]
    parts = [
        element("thead", _row(headings, kinds, "th")),
        element("tbody", joined(_row(row, kinds, "td") for row in rows)),
    ]
    box = element("div", element("table", joined(parts)), class_="wide", tabindex="0")
    return joined([element("p", caption, class_="caption"), box]) if caption else box


def _row(cells: Sequence[object], kinds: Sequence[str], name: str) -> Markup:
    return element("tr", Markup("".join(element(name, c, class_=k) for c, k in zip(cells, kinds, strict=True))))
