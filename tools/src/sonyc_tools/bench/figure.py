"""The figure: bytes and latency per level; accuracy against cost of all models, or their cost alone."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final

from sonyc_tools.bench.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLE_CHARS = 120
_SIZE_IN = 11.0, 4.5
_LEGEND_CHARS, _MARKER_CHARS, _ROW_IN = 145, 8, 0.2
_BARS, _LINE = "#9db4c8", "#c0392b"
_COLOURS: Final = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f")
"""Okabe and Ito's, which can be told apart by everybody; ours is black."""
_MARKERS: Final = "osD^vP*X"


@dataclass(frozen=True)
class Point:
    """A model in the figure: its cost, and macro-F1 with its interval where there is one."""

    name: str
    ms_per_s: float
    macro_f1: tuple[float, float, float] | None


def as_png(report: Report) -> bytes:
    """Draw it; gives the bytes of a PNG file."""
    output = io.BytesIO()
    draw(report).savefig(output, format="png")
    return output.getvalue()


def draw(report: Report) -> "Figure":
    """Draw it, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_IN, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    handles = _draw_levels(left, report) + _draw_models(right, points(report))
    longest = max(len(handle.get_label()) for handle in handles)
    n_columns = max(1, _LEGEND_CHARS // (longest + _MARKER_CHARS))
    figure.set_figheight(_SIZE_IN[1] + _ROW_IN * -(-len(handles) // n_columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=n_columns, frameon=False, fontsize=9)
    figure.suptitle(shorten(f"{report.machine.cpu}, {report.material}", _TITLE_CHARS), fontsize=10)
    return figure


def points(report: Report) -> list[Point]:
    """Give our bundles and the peers; accuracy is the yardstick's, or for our bundles that on the labelled audio."""
    measured = {one.contender: (one.macro_f1,) * 3 for one in reversed(report.accuracies)}
    found: dict[str, Point] = {}
    for cost in (report.reference, *report.recognisers):
        name = cost.contender.name
        judged = report.judgement_of("compact") if cost is report.reference else None
        found.setdefault(name, Point(name, cost.ms_per_s.median, judged.macro_f1 if judged else measured.get(name)))
    for peer in report.peers:
        judged = report.judgement_of(peer.peer.embedding)
        found[peer.peer.name] = Point(peer.peer.name, peer.ms_per_s.median, judged.macro_f1 if judged else None)
    if report.openl3 is not None:
        found["openl3"] = Point("openl3", report.openl3.ms_per_s.median, None)
    return list(found.values())


def _draw_levels(axes: "Axes", report: Report) -> list[Any]:
    rate_hz = report.first.contender.bundle.manifest.storage_rate_hz
    codings = [one for one in report.codings if one.coding.rate_hz == rate_hz]
    levels = [one.coding.level.value for one in codings]
    bars = axes.bar(levels, [one.bytes_per_hour / 1e6 for one in codings], 0.7, color=_BARS, label="MB per hour")
    axes.set_xlim(-0.7, len(levels) - 0.3)
    axes.set(title=f"Levels at {rate_hz / 1000:g} kHz", xlabel="level", ylabel="MB per hour")
    if not report.replays:
        return [bars]
    latency = [one.latency_s for one in report.replays]
    other = axes.twinx()
    errors = [[one.median - one.low for one in latency], [one.high - one.median for one in latency]]
    line = other.errorbar(
        [one.level.value for one in report.replays], [one.median for one in latency], yerr=errors, color=_LINE,
        marker="o", capsize=4, label="s from last sample to PUBACK",
    )  # fmt: skip
    other.set_ylim(0, 1.15 * max(one.high for one in latency))
    other.set_ylabel("s from last sample to PUBACK", color=_LINE)
    return [bars, line]


def _draw_models(axes: "Axes", models: Sequence[Point]) -> list[Any]:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ms of processor time per s of audio")
    axes.grid(visible=True, which="both", axis="x", alpha=0.25)
    has_accuracy = any(model.macro_f1 for model in models)
    axes.set_title("Accuracy against cost" if has_accuracy else "Cost (no labels, no accuracy)")
    if has_accuracy:
        axes.set_ylabel("macro-F1")
    else:
        axes.set_yticks([])
        axes.set_ylim(len(models) - 0.5, -0.5)
    drawn = [
        _draw_point(axes, index, model)
        for index, model in enumerate(models)
        if model.macro_f1 is not None or not has_accuracy
    ]
    axes.margins(x=0.15, y=0.1)
    return drawn


def _draw_point(axes: "Axes", index: int, model: Point) -> Any:
    value, low, high = model.macro_f1 or (index, index, index)
    return axes.errorbar(
        [model.ms_per_s], [value], yerr=[[value - low], [high - value]], linestyle="none", capsize=3, markersize=9,
        color=_COLOURS[index % len(_COLOURS)], marker=_MARKERS[index % len(_MARKERS)],
        label=f"{model.name}, {model.ms_per_s:.3g} ms/s",
    )  # fmt: skip
