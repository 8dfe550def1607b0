"""What was found, as tables on a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from sonyc_tools.bench.coding import CodingCost
from sonyc_tools.bench.report import Report
from sonyc_tools.bench.timing import Estimate

WRONG_BELOW = 0.99
"""A cosine below this says that the default delegate computes something else than the model."""


@dataclass(frozen=True)
class Section:
    """A table, with what stands above and below it; a title of rich's own would break at the table's width."""

    title: str
    table: Table
    caption: str = ""


def sections(report: Report) -> Iterator[Section]:
    """Give every table that has rows."""
    yield levels_table(report)
    yield inference_table(report)
    yield recognisers_table(report)
    if report.peers:
        yield peers_table(report)
    if report.accuracies:
        yield accuracy_table(report)


def levels_table(report: Report) -> Section:
    """Cost of every level at every storage rate; the agent's figures at the rate that it stored at."""
    title, table = f"Levels (processor time per s of audio; card of {report.card_bytes / 1e9:g} GB)", Table()
    headings = ("level", "rate", "encode ms", "decode ms", "MB/h", "days", "latency s", "PSS MB", "CPU %")
    _columns(table, headings, n_left=1)
    replays = {one.level: one for one in report.replays}
    agents_rate_hz = report.first.contender.bundle.manifest.storage_rate_hz
    for cost in report.codings:
        replay = replays.get(cost.coding.level) if cost.coding.rate_hz == agents_rate_hz else None
        measured = (
            ("", "", "")
            if replay is None
            else (_shown(replay.latency_s), f"{replay.peak_pss_mb:.0f}", f"{100 * replay.cpu_share:.1f}")
        )
        table.add_row(*_coding_cells(cost), *measured)
    if not replays:
        return Section(title, table)
    broker = report.replays[0].broker
    caption = f"latency: last sample of a clip of 10 s to the PUBACK of {broker}; PSS and CPU: whole agent"
    return Section(title, table, caption)


def inference_table(report: Report) -> Section:
    """What scoring a clip of 10 s takes on the clock."""
    title, table = (
        "Scoring a clip of 10 s (ms on the clock; load: coding and scoring, share of the audio's time)",
        Table(),
    )
    _columns(table, ("bundle, runtime, threads", "level", "p50", "p95", "max", "a window", "load %"), n_left=2)
    for cost in report.recognisers:
        for one in cost.inference:
            figures = (one.p50_ms, one.p95_ms, one.max_ms, one.ms_per_window)
            table.add_row(str(cost.contender), one.level, *(f"{ms:.2f}" for ms in figures), f"{100 * one.load:.2f}")
    return Section(title, table)


def recognisers_table(report: Report) -> Section:
    """Processor time per second of audio, by step."""
    title, table = "Recogniser (ms of processor time per s of audio at 48 kHz, windows side by side)", Table()
    steps = [*report.first.steps_ms_per_s]
    _columns(table, ("bundle, runtime, threads", *steps, "all", "MMAC/s", "kB", "memory MB"), n_left=1)
    for cost, memory in zip(report.recognisers, report.memory, strict=True):
        table.add_row(
            str(cost.contender),
            *(f"{figure.median:.3f}" for figure in cost.steps_ms_per_s.values()),
            _shown(cost.ms_per_s),
            f"{cost.contender.macs_per_s / 1e6:.1f}",
            f"{cost.contender.n_bytes / 1e3:.0f}",
            f"{memory.added_mb:.1f}",
        )
    caption = "memory: what reading the bundle and scoring clips adds at its peak to a process without it"
    return Section(title, table, caption)


def peers_table(report: Report) -> Section:
    """Ours and the others: cost, size, and what the yardstick says."""
    title, table = (
        "Peers (ms of processor time per s of audio at 48 kHz, same resampler, ai-edge-litert, 1 thread)",
        Table(),
    )
    reference = report.judgements[0].reference if report.judgements else "reference"
    _columns(table, ("model", "ms", "of ours", "MMAC/s", "kB", "macro-F1", f"minus {reference}"), n_left=1)
    ours = report.reference
    table.add_row(
        ours.contender.name, _shown(ours.ms_per_s), "1.00", f"{ours.contender.macs_per_s / 1e6:.1f}",
        f"{ours.contender.n_bytes / 1e3:.0f}", *_judged(report, "compact"),
    )  # fmt: skip
    for cost in report.peers:
        size = (f"{cost.peer.macs_per_s / 1e6:.1f}", f"{cost.peer.n_bytes / 1e3:.0f}")
        judged = _judged(report, cost.peer.embedding)
        table.add_row(cost.peer.name, *_cost(cost.ms_per_s, ours.ms_per_s), *size, *judged)
        if cost.ms_per_s_without_delegate is not None:
            name = f"  without delegate (cosine {cost.delegate_cosine:.3f})"
            table.add_row(name, *_cost(cost.ms_per_s_without_delegate, ours.ms_per_s))
    if report.openl3 is not None:
        table.add_row(report.openl3.version, *_cost(report.openl3.ms_per_s, ours.ms_per_s))
    wrong = [one.peer.name for one in report.peers if (one.delegate_cosine or 1.0) < WRONG_BELOW]
    if not wrong:
        return Section(title, table)
    caption = f"{', '.join(wrong)}: the default delegate's outputs are not the model's; cosine to them shown"
    return Section(title, table, caption)


def accuracy_table(report: Report) -> Section:
    """Top-1 and macro-F1 of every bundle on the labelled audio: a row per bundle, a column per level."""
    title, table = f"Top-1 / macro-F1 in % on {report.accuracies[0].n_clips} labelled recordings", Table()
    _columns(table, ("bundle", *report.levels), n_left=1)
    for name in dict.fromkeys(one.contender for one in report.accuracies):
        cells = [one for one in report.accuracies if one.contender == name]
        table.add_row(name, *(f"{100 * one.top1:.1f} / {100 * one.macro_f1:.1f}" for one in cells))
    return Section(title, table)


def _columns(table: Table, headings: Sequence[str], *, n_left: int) -> None:
    for index, heading in enumerate(headings):
        # What counts is never cut off: a narrow terminal breaks the names instead.
        table.add_column(heading, justify="left" if index < n_left else "right", no_wrap=index >= n_left)


def _coding_cells(cost: CodingCost) -> tuple[str, ...]:
    return (
        cost.coding.level.value,
        str(cost.coding.rate_hz),
        _shown(cost.encode_ms),
        _shown(cost.decode_ms),
        f"{cost.bytes_per_hour / 1e6:.1f}",
        f"{cost.days_on_card:.0f}",
    )


def _cost(figure: Estimate, ours: Estimate) -> tuple[str, str]:
    return _shown(figure), f"{figure.median / ours.median:.2f}"


def _judged(report: Report, embedding: str) -> tuple[str, str]:
    found = report.judgement_of(embedding)
    if found is None:
        return "", ""
    value, low, high = found.macro_f1
    difference = "" if found.difference is None else "{:+.3f} ({:+.3f} to {:+.3f})".format(*found.difference)
    return f"{value:.3f} ({low:.3f} to {high:.3f})", difference


def _shown(figure: Estimate) -> str:
    """A median and its interval, such as `3.11 (3.08-3.18)`."""
    return f"{figure.median:.3g} ({figure.low:.3g}-{figure.high:.3g})"
