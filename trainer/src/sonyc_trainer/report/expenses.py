"""What storing audio costs: the table of codings, the Pareto front, and the spectrograms of what is lost."""

import math
from collections.abc import Sequence
from math import isnan
from typing import Final, NamedTuple

from sonyc_trainer.planning.codings import Family
from sonyc_trainer.planning.costs import CostRow
from sonyc_trainer.planning.measuring import PIECE_S
from sonyc_trainer.report.figure import Figure
from sonyc_trainer.report.markup import Markup, element, joined, number, table, with_interval
from sonyc_trainer.report.material import Material, head_title
from sonyc_trainer.report.section import Section
from sonyc_trainer.report.spectrograms import DIFFERENCE_DB, draw_class
from sonyc_trainer.report.svg import (
    Frame,
    colour,
    drawing,
    legend,
    line,
    marker,
    rule,
    text,
    ticks,
    twentieths_around,
    value_axis,
    whisker,
)

_CHARACTER_WIDTH: Final = 6.3
_ROUND_MB: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500)


def costs(material: Material) -> Section:
    """Show what every coding takes and leaves."""
    parts: list[Markup | Figure] = []
    measured = [row for row in material.costs if row.n_clips]
    intro = (
        f"Bytes are of this study's audio, coded in pieces of {PIECE_S:g} s as nodes write them; times are of one core "
        "of this machine."
    )
    if measured:
        first = measured[0]
        intro += (
            f" Macro-F1 is of the same {first.n_clips} {material.results.split} clips for all codings, heard through "
            f"the {head_title(first.head)} head. It was trained at the study's own storage rate: a study at another "
            "rate may do better there."
        )
    parts.append(element("p", intro))
    if measured:
        parts.append(_front_figure(measured))
    parts.append(_cost_table(material))
    return Section("costs", "Costs", parts)


def spectrograms(material: Material) -> Section:
    """Show one clip per class at every level."""
    rate_hz = material.folder.study.compress.storage_rate_hz
    intro = (
        "For each class the clip that stands out most from its background, the same at every level: above its "
        "spectrogram, below what the level changed. The dashed line is where the codec cuts off, found with white "
        f"noise at {rate_hz / 1e3:g} kHz; a cut-off above the picture's upper edge is named, not drawn."
    )
    limit_hz = material.folder.study.trim.band_limit_hz
    if limit_hz:
        intro += f" The study itself keeps nothing above {limit_hz / 1e3:g} kHz."
    parts: list[Markup | Figure] = [element("p", intro)]
    for one in material.spectrograms:
        parts.append(element("h3", one.label))
        times = next(iter(one.levels.values())).times_s
        rows = [
            (one.clip_id, level.value, f"{hz:.1f}", *(f"{db:.1f}" for db in decibels))
            for level, found in one.levels.items()
            for hz, decibels in zip(found.frequencies_hz, found.decibels, strict=True)
        ]
        columns = ("clip_id", "level", "frequency_hz", *(f"{time:.4f}" for time in times))
        caption = f"{one.clip_id}. dB re the loudest of {one.reference}; differences end at {DIFFERENCE_DB:.0f} dB."
        drawn = draw_class(one, material.cutoffs_hz)
        parts.append(Figure(f"spectrogram-{one.label}", caption, columns, rows, drawn, shape="many"))
    return Section("spectrograms", "Spectrograms", parts)


def _front_figure(rows: Sequence[CostRow]) -> Figure:
    groups = list(dict.fromkeys(_group(row) for row in rows))
    caption = (
        "Macro-F1 against size, which is on a logarithmic scale. The stepped line is the Pareto front: nothing smaller "
        "recognises as well. Whiskers are the intervals of what is on it."
    )
    columns = ("coding", "bytes_per_hour", "macro_f1", "macro_f1_low", "macro_f1_high", "on_front")
    numbers = [
        (r.coding.name, r.bytes_per_hour, r.macro_f1.value, r.macro_f1.low, r.macro_f1.high, r.is_on_front)
        for r in rows
    ]
    return Figure("pareto", caption, columns, numbers, joined([legend(groups), _front_drawing(rows, groups)]))


def _front_drawing(rows: Sequence[CostRow], groups: Sequence[str]) -> Markup:
    sizes = [row.bytes_per_hour / 1e6 for row in rows]
    left, right = math.log(min(sizes) / 1.15), math.log(max(sizes) * 1.15)
    values = [v for r in rows for v in (r.macro_f1.value, r.macro_f1.low, r.macro_f1.high) if not isnan(v)]
    low, high = twentieths_around(values)
    frame = Frame(height=270, low=low, high=high)

    def x(row_mb: float) -> float:
        return frame.along((math.log(row_mb) - left) / (right - left))

    parts = value_axis(frame, ticks(low, high, 5), digits=2)
    for mb in _round_sizes(min(sizes), max(sizes)):
        parts.append(rule(x(mb), frame.floor, x(mb), frame.floor + 4, kind="axis"))
        parts.append(text(x(mb), frame.floor + 16, mb))
    parts.append(text(frame.along(0.5), frame.height - 4, "MB per hour"))
    middle = (frame.top + frame.floor) / 2
    parts.append(
        element(
            "text",
            "macro-F1",
            x="10",
            y=middle,
            text_anchor="middle",
            class_="soft",
            transform=f"rotate(-90 10 {middle:g})",
        )
    )
    parts += _whiskers(frame, rows, groups, x=[x(size) for size in sizes])
    parts += _front_line(frame, rows, x=[x(size) for size in sizes])
    for row, size in zip(rows, sizes, strict=True):
        title = f"{row.coding.name}: {size:.1f} MB per hour, macro-F1 {row.macro_f1.value:.3f}"
        parts.append(
            marker(
                groups.index(_group(row)), x(size), frame.y(row.macro_f1.value), value=row.macro_f1.value, title=title
            )
        )
    return drawing(frame, [*parts, *_front_labels(frame, rows, x=[x(size) for size in sizes])], "Macro-F1 against size")


def _whiskers(frame: Frame, rows: Sequence[CostRow], groups: Sequence[str], *, x: Sequence[float]) -> list[Markup]:
    """Draw the intervals of the codings on the front only: twenty would cover everything."""
    return [
        whisker(at, frame.y(row.macro_f1.low), frame.y(row.macro_f1.high), colour=colour(groups.index(_group(row))))
        for row, at in zip(rows, x, strict=True)
        if row.is_on_front and not isnan(row.macro_f1.low)
    ]


def _front_line(frame: Frame, rows: Sequence[CostRow], *, x: Sequence[float]) -> list[Markup]:
    on_front = sorted((at, frame.y(row.macro_f1.value)) for row, at in zip(rows, x, strict=True) if row.is_on_front)
    steps: list[tuple[float, float]] = []
    for at, y in on_front:
        if steps:
            steps.append((at, steps[-1][1]))
        steps.append((at, y))
    steps.append((frame.width - frame.right, steps[-1][1]))
    return [line(steps, colour="var(--soft)", width=1, dash="3 3")]


def _front_labels(frame: Frame, rows: Sequence[CostRow], *, x: Sequence[float]) -> list[Markup]:
    """Name the codings on the front, each where it covers neither a mark nor another name."""
    marks = [(at, frame.y(row.macro_f1.value)) for row, at in zip(rows, x, strict=True)]
    taken = [_Box(at - 4, y - 4, at + 4, y + 4) for at, y in marks]
    parts = []
    for row, (at, y) in sorted(zip(rows, marks, strict=True), key=lambda pair: pair[1][0]):
        if row.is_on_front:
            name = _short_name(row)
            box = _free_box(frame, (at, y), name, taken)
            taken.append(box)
            parts.append(text(box.left, box.bottom - 3, name, anchor="start", kind="halo"))
    return parts


def _short_name(row: CostRow) -> str:
    """Give what the legend does not say already."""
    return f"{row.coding.setting} kb/s" if row.coding.family is Family.OPUS else row.coding.setting


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        """Whether two boxes share a point."""
        apart = self.right < other.left or other.right < self.left
        return not (apart or self.bottom < other.top or other.bottom < self.top)


def _free_box(frame: Frame, mark: tuple[float, float], name: str, taken: Sequence[_Box]) -> _Box:
    """Find room for a name near its mark: above it, else below, farther and farther away."""
    width = _CHARACTER_WIDTH * len(name)
    at, y = mark
    left = min(max(at + 5, frame.left), frame.width - width)
    places = [step for k in range(1, 10) for step in (-8 - 13 * k, 13 * k - 5)]
    boxes = [_Box(left, y + step, left + width, y + step + 13) for step in places]
    inside = [box for box in boxes if box.top >= frame.top and box.bottom <= frame.floor]
    return next((box for box in inside if not any(box.meets(other) for other in taken)), boxes[0])


def _cost_table(material: Material) -> Markup:
    times = {(row["family"], row["setting"], int(row["storage_rate_hz"])): row for row in material.timings}
    rows = []
    for row in sorted(material.costs, key=lambda row: row.bytes_per_hour):
        coding = row.coding
        timing = times.get((coding.family.value, coding.setting, coding.rate_hz), {})
        ms = [
            number(float(timing[name]), 2) if timing else number(None)
            for name in ("encode_ms_per_s", "decode_ms_per_s")
        ]
        f1 = with_interval(row.macro_f1.value, row.macro_f1.low, row.macro_f1.high) if row.n_clips else number(None)
        rows.append(
            [
                coding.name,
                coding.family.value,
                number(row.bytes_per_hour / 1e6, 1),
                number(row.bytes_per_hour / 450_000, 1),
                *ms,
                f1,
                "front" if row.is_on_front else "",
            ]
        )
    headings = ("coding", "codec", "MB per hour", "kb/s", "encode, ms/s", "decode, ms/s", "macro-F1", "Pareto")
    return table(headings, rows, n_text=2)


def _group(row: CostRow) -> str:
    rate = f"{row.coding.rate_hz / 1e3:g} kHz"
    return f"{row.coding.family.value} {rate}" if row.coding.family is not Family.FLAC else "FLAC"


def _round_sizes(low: float, high: float) -> list[int]:
    """Give round sizes that lie far enough apart to be read."""
    shown: list[int] = []
    for mb in _ROUND_MB:
        if low / 1.1 <= mb <= high * 1.1 and (not shown or mb / shown[-1] >= 1.32):
            shown.append(mb)
    return shown
