"""What a card is good for: days of audio at each level and rate, with the macro-F1 to expect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sonyc_contract.errors import LevelError
from sonyc_contract.levels import Level
from sonyc_contract.recognise import head_for
from sonyc_trainer.errors import PlanError
from sonyc_trainer.findings import Findings, read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.planning.costs import CostRow, read_costs
from sonyc_trainer.planning.sampling import Sample
from sonyc_trainer.results import TEST
from sonyc_trainer.statistics.bootstrap import Estimate


@dataclass(frozen=True)
class Wish:
    """What a plan is for.

    Attributes:
        card_bytes: Space for audio.
        duty: Share of the time that is recorded, over 0 and at most 1.
        min_f1: Macro-F1 that is wanted; None for any.
    """

    card_bytes: int
    duty: float = 1.0
    min_f1: float | None = None

    def days(self, bytes_per_hour: int) -> float:
        """How long the card lasts."""
        return self.card_bytes / (bytes_per_hour * 24 * self.duty)


@dataclass(frozen=True)
class Option:
    """A level at a storage rate.

    Attributes:
        rate_hz: The storage rate.
        level: The level.
        bytes_per_hour: Measured.
        days: How long the card lasts.
        macro_f1: To be expected, with its interval; None where no study measured it.
        n_clips: Of how many clips.
        head: Of which head.
    """

    rate_hz: int
    level: Level
    bytes_per_hour: int
    days: float
    macro_f1: Estimate | None = None
    n_clips: int = 0
    head: str = ""

    @property
    def name(self) -> str:
        """The level and its rate in words."""
        return f"{self.level} at {self.rate_hz / 1e3:g} kHz"

    def as_document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        f1 = self.macro_f1
        document: dict[str, Any] = {
            "storage_rate_hz": self.rate_hz,
            "level": self.level.value,
            "bytes_per_hour": self.bytes_per_hour,
            "kbps": round(self.bytes_per_hour / 450_000, 2),
            "days": round(self.days, 2),
        }
        if f1 is not None:
            figures = {"macro_f1": f1.value, "macro_f1_low": f1.low, "macro_f1_high": f1.high}
            document |= {name: None if math.isnan(value) else round(value, 6) for name, value in figures.items()}
            document |= {"n_clips": self.n_clips, "head": self.head}
        return document


@dataclass(frozen=True)
class Plan:
    """What was found for a wish.

    Attributes:
        wish: What was asked.
        options: Levels and rates, the smallest first.
        chosen: The smallest that reaches the wish; None where only sizes were asked for.
        notes: What else must be known.
    """

    wish: Wish
    options: tuple[Option, ...]
    chosen: Option | None
    notes: tuple[str, ...]

    def as_document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "card_bytes": self.wish.card_bytes,
            "duty": self.wish.duty,
            "min_f1": self.wish.min_f1,
            "chosen": self.chosen.as_document() if self.chosen else None,
            "options": [option.as_document() for option in self.options],
            "notes": list(self.notes),
        }

    def as_text(self) -> str:
        """Give it as lines for a terminal: the answer, then all options, then the notes."""
        has_f1 = any(option.macro_f1 for option in self.options)
        heading = f"{'rate':>8}  {'level':<5}  {'kb/s':>6}  {'MB/h':>6}  {'days':>8}"
        lines = [f"{heading}  {'macro-F1':<22}  {'clips':>5}" if has_f1 else heading]
        lines += [_line(option, is_chosen=option is self.chosen) for option in self.options]
        answer = [_answer(self.chosen, self.wish), ""] if self.chosen else []
        return "\n".join([*answer, *lines, *(f"\nNote: {note}" for note in self.notes)])


def plan_of_study(folder: StudyFolder, wish: Wish) -> Plan:
    """Plan from a finished study.

    Raises:
        StageError: its stages `evaluate` and `costs` have not been run.
        PlanError: no level reaches the macro-F1 that is wanted.
    """
    findings, rows = read_findings(folder), read_costs(folder.costs)
    options = _ordered([_of_row(row, level, folder, findings, wish) for row in rows if (level := row.coding.level)])
    chosen = None if wish.min_f1 is None else _chosen(options, wish.min_f1)
    notes = [*_notes(chosen, folder, wish), *_basis_notes(rows, options, folder, findings.facts.split)]
    return Plan(wish, options, chosen, tuple(notes))


def plan_of_sample(sample: Sample, wish: Wish) -> Plan:
    """Plan from measured audio alone: sizes and days, nothing of recognition."""
    options = [
        Option(coding.rate_hz, coding.level, n_bytes, wish.days(n_bytes))
        for coding, n_bytes in sample.bytes_per_hour().items()
        if coding.level is not None
    ]
    notes = [f"Measured on {sample.duration_s:.0f} s from {sample.n_files} files; no study says what is recognised."]
    if sample.unread:
        notes.append(f"{len(sample.unread)} files could not be read, the first: {sample.unread[0]}")
    return Plan(wish, _ordered(options), None, tuple(notes))


def _of_row(row: CostRow, level: Level, folder: StudyFolder, findings: Findings, wish: Wish) -> Option:
    """Take the study's own rate from `evaluate`, with the head a node uses there; other rates from `costs`."""
    coding, days = row.coding, wish.days(row.bytes_per_hour)
    if coding.rate_hz == folder.study.compress.storage_rate_hz:
        try:
            head = head_for(level, dict.fromkeys(folder.head_names))
        except LevelError:
            head = folder.head_names[0]
        cell = findings.cells[head, level.value]
        return Option(coding.rate_hz, level, row.bytes_per_hour, days, cell.macro_f1, cell.n_clips, head)
    return Option(coding.rate_hz, level, row.bytes_per_hour, days, row.macro_f1, row.n_clips, row.head)


def _ordered(options: Sequence[Option]) -> tuple[Option, ...]:
    return tuple(sorted(options, key=lambda option: option.bytes_per_hour))


def _chosen(options: Sequence[Option], min_f1: float) -> Option:
    measured = [(option, option.macro_f1) for option in options if option.macro_f1 is not None and option.n_clips]
    for option, f1 in measured:
        if f1.value >= min_f1:
            return option
    if not measured:
        raise PlanError("the study measured no macro-F1: run it with [costs] max_clips above 0, or leave out --min-f1")
    best, f1 = max(measured, key=lambda pair: pair[1].value)
    raise PlanError(
        f"no level reaches a macro-F1 of {min_f1:g} in this study; the best is {best.name} with {_interval(f1)}: lower "
        "--min-f1, or train a better recogniser"
    )


def _notes(chosen: Option | None, folder: StudyFolder, wish: Wish) -> list[str]:
    if chosen is None or chosen.macro_f1 is None or wish.min_f1 is None:
        return []
    notes, own_hz = [], folder.study.compress.storage_rate_hz
    if math.isnan(chosen.macro_f1.low):
        notes.append("The clips are of one recording or sensor: nothing can be said of others.")
    elif chosen.macro_f1.low < wish.min_f1:
        notes.append(f"The interval reaches below {wish.min_f1:g}: on other recordings it may not be kept.")
    if chosen.rate_hz != own_hz:
        notes.append(
            f"The study's bundle is for {own_hz} Hz: a node at {chosen.rate_hz} Hz needs one from a study with "
            f"storage_rate_hz = {chosen.rate_hz}. The macro-F1 is of {chosen.n_clips} clips with this study's head "
            f"{chosen.head!r}."
        )
    return notes


def _basis_notes(rows: Sequence[CostRow], options: Sequence[Option], folder: StudyFolder, split: str) -> list[str]:
    """Say what the figures are of where that is not the same for all, or not of test clips."""
    own_hz, notes = folder.study.compress.storage_rate_hz, []
    own = [option for option in options if option.rate_hz == own_hz and option.n_clips]
    others = [option for option in options if option.rate_hz != own_hz and option.n_clips]
    if others and {(one.n_clips, one.head) for one in own} - {(others[0].n_clips, others[0].head)}:
        first = others[0]
        alike = [row for row in rows if row.coding.rate_hz == own_hz and row.coding.level and row.n_clips]
        beside = ", ".join(f"{row.coding.setting} {row.macro_f1.value:.3f}" for row in alike)
        own_khz = f"{own_hz / 1e3:g} kHz"
        notes.append(
            f"Not measured alike: at {own_khz} macro-F1 is of all {own[0].n_clips} {split} clips with the head that a "
            f"node uses at each level; at other rates of {first.n_clips} of them, with head {first.head!r} of the "
            f"first seed for all levels. Compare those with what the same head has on the same clips at {own_khz}: "
            f"{beside}."
        )
    if (own or others) and split != TEST:
        notes.append(
            f"The study has no test clips: macro-F1 is of {split} clips, which also chose epochs: expect less."
        )
    return notes


def _answer(option: Option, wish: Wish) -> str:
    f1 = f", expected macro-F1 {_interval(option.macro_f1)} on {option.n_clips} clips" if option.macro_f1 else ""
    return (
        f"{option.name}: {wish.card_bytes / 1e9:g} GB hold {option.days:,.0f} days at a duty of {wish.duty:g}"
        f" ({option.bytes_per_hour / 1e6:.1f} MB per hour){f1}."
    )


def _line(option: Option, *, is_chosen: bool) -> str:
    f1 = f"  {_interval(option.macro_f1)}  {option.n_clips:>5}" if option.macro_f1 and option.n_clips else ""
    kbps, megabytes = option.bytes_per_hour / 450_000, option.bytes_per_hour / 1e6
    sizes = f"{kbps:>6.1f}  {megabytes:>6.1f}  {option.days:>8,.1f}"
    rate = f"{option.rate_hz / 1e3:g} kHz"
    return f"{rate:>8}  {option.level:<5}  {sizes}{f1}{'  <- chosen' if is_chosen else ''}"


def _interval(f1: Estimate) -> str:
    span = "no interval" if math.isnan(f1.low) else f"{f1.low:.3f} to {f1.high:.3f}"
    return f"{f1.value:.3f} ({span})"
