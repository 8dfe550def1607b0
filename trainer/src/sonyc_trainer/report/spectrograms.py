"""One clip per class at every level, side by side, with the difference to `pcm` and the codec's cut-off."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.files import whole_file
from sonyc_contract.levels import Level
from sonyc_trainer.report.markup import MINUS, Markup, element, joined
from sonyc_trainer.report.png import data_address, palette, png_of, shades_of
from sonyc_trainer.report.spectrum import FLOOR_DB, Spectrogram
from sonyc_trainer.report.svg import Frame, drawing, text, ticks

DIFFERENCE_DB: Final = 30.0
"""Where the colours of the difference end."""

_LEVELS_MAP, _DIFFERENCE_MAP = "magma", "RdBu_r"
_WIDTH, _HEIGHT = 170.0, 252.0
_LEFT, _TOP, _PICTURE_WIDTH, _PICTURE_HEIGHT, _GAP = 24.0, 4.0, 142.0, 104.0, 14.0


@dataclass(frozen=True)
class ClassSpectrograms:
    """The same clip at every level.

    Attributes:
        label: Its class.
        clip_id: Which clip.
        levels: Spectrograms by level, all with the same axes and the same reference.
    """

    label: str
    clip_id: str
    levels: Mapping[Level, Spectrogram]

    @property
    def reference(self) -> Level:
        """The level that the others are compared with: `pcm`, or the first where the study has none."""
        return Level.PCM if Level.PCM in self.levels else next(iter(self.levels))

    def write_csv(self, path: Path) -> None:
        """Write a row per level and frequency, a column per time, in dB."""
        with whole_file(path) as part, part.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            any_level = next(iter(self.levels.values()))
            writer.writerow(["clip_id", "level", "frequency_hz", *(f"{time:.4f}" for time in any_level.times_s)])
            for level, one in self.levels.items():
                for frequency, row in zip(one.frequencies_hz, one.decibels, strict=True):
                    writer.writerow([self.clip_id, level.value, f"{frequency:.1f}", *(f"{db:.1f}" for db in row)])


def read_spectrograms(path: Path, label: str) -> ClassSpectrograms:
    """Read what `ClassSpectrograms.write_csv` wrote."""
    with path.open(newline="") as file:
        heading, *rows = csv.reader(file)
    times_s = np.array(heading[3:], dtype=np.float64)
    found = {}
    for level in dict.fromkeys(row[1] for row in rows):
        own = [row for row in rows if row[1] == level]
        decibels = np.array([row[3:] for row in own], dtype=np.float64)
        found[Level(level)] = Spectrogram(decibels, np.array([row[2] for row in own], dtype=np.float64), times_s)
    return ClassSpectrograms(label, rows[0][0], found)


def difference_db(coded: Spectrogram, original: Spectrogram) -> NDArray[np.float64]:
    """Give how much louder the coded clip is, float64 [n_rows, n_columns]; both end at -80 dB."""
    return coded.decibels - original.decibels


def draw_class(spectrograms: ClassSpectrograms, cutoffs_hz: Mapping[Level, float | None]) -> Markup:
    """Draw a class: a panel per level, the spectrogram above and its difference to the reference beneath."""
    reference = spectrograms.reference
    original = spectrograms.levels[reference]
    panels = []
    for level, one in spectrograms.levels.items():
        cutoff = cutoffs_hz.get(level)
        is_reference = level is reference
        below = _scales(reference) if is_reference else _difference(one, original)
        parts = [*_picture(one, _TOP), *below, *_axes(one, with_difference=not is_reference)]
        parts += _cutoff(one, cutoff, is_reference=is_reference)
        chart = drawing(Frame(width=_WIDTH, height=_HEIGHT), parts, f"{spectrograms.label} at {level}")
        panels.append(element("figure", joined([element("h3", _title(level, cutoff)), chart])))
    return element("div", joined(panels), class_="clips")


def _title(level: Level, cutoff_hz: float | None) -> Markup:
    edge = f"cut-off {cutoff_hz / 1e3:.1f} kHz" if cutoff_hz else "no cut-off"
    return Markup(f"{level.value} {element('span', edge if level.is_lossy else 'as recorded', class_='soft')}")


def _picture(one: Spectrogram, top: float) -> list[Markup]:
    shades = shades_of(one.decibels[::-1], FLOOR_DB, 0.0)
    return [_image(png_of(shades, palette(_LEVELS_MAP)), (_LEFT, top, _PICTURE_WIDTH, _PICTURE_HEIGHT))]


def _difference(one: Spectrogram, original: Spectrogram) -> list[Markup]:
    shades = shades_of(difference_db(one, original)[::-1], -DIFFERENCE_DB, DIFFERENCE_DB)
    place = (_LEFT, _TOP + _PICTURE_HEIGHT + _GAP, _PICTURE_WIDTH, _PICTURE_HEIGHT)
    return [_image(png_of(shades, palette(_DIFFERENCE_MAP)), place)]


def _scales(reference: Level) -> list[Markup]:
    """Draw both colour scales where the reference has no difference to show."""
    top = _TOP + _PICTURE_HEIGHT + _GAP + 28
    parts = []
    for offset, name, labels, title in (
        (0.0, _LEVELS_MAP, (f"{MINUS}{-FLOOR_DB:.0f}", "0 dB"), "above: level"),
        (
            52.0,
            _DIFFERENCE_MAP,
            (f"{MINUS}{DIFFERENCE_DB:.0f}", f"+{DIFFERENCE_DB:.0f} dB"),
            f"below: minus {reference}",
        ),
    ):
        y = top + offset
        ramp = np.arange(256, dtype=np.uint8)[np.newaxis]
        parts.append(text(_LEFT, y - 5, title, anchor="start", kind="ink"))
        parts.append(_image(png_of(ramp, palette(name)), (_LEFT, y, _PICTURE_WIDTH - 8, 8.0)))
        parts.append(text(_LEFT, y + 20, labels[0], anchor="start"))
        parts.append(text(_LEFT + _PICTURE_WIDTH - 8, y + 20, labels[1], anchor="end"))
    return parts


def _axes(one: Spectrogram, *, with_difference: bool) -> list[Markup]:
    tops = [_TOP, _TOP + _PICTURE_HEIGHT + _GAP] if with_difference else [_TOP]
    max_hz, end_s = _extent(one)
    parts: list[Markup] = []
    for top in tops:
        for khz in ticks(0, max_hz / 1e3, 4):
            y = top + _PICTURE_HEIGHT * (1 - 1e3 * khz / max_hz)
            parts.append(text(_LEFT - 4, min(max(y + 4, top + 8), top + _PICTURE_HEIGHT), f"{khz:.0f}", anchor="end"))
    floor = tops[-1] + _PICTURE_HEIGHT
    shown_s = ticks(0, end_s, 2)
    for time in shown_s:
        label = f"{time:g} s" if time == shown_s[-1] else f"{time:g}"
        anchor = "start" if time == 0 else "end" if time > 0.9 * end_s else "middle"
        parts.append(text(_LEFT + _PICTURE_WIDTH * time / end_s, floor + 13, label, anchor=anchor))
    parts.append(text(_LEFT - 4, floor + 13, "kHz", anchor="end"))
    return parts


def _cutoff(one: Spectrogram, cutoff_hz: float | None, *, is_reference: bool) -> list[Markup]:
    """Mark the cut-off as a dashed line in both pictures, white over black so that it shows on either."""
    max_hz, _ = _extent(one)
    if cutoff_hz is None or cutoff_hz > max_hz:
        return []
    tops = [_TOP] if is_reference else [_TOP, _TOP + _PICTURE_HEIGHT + _GAP]
    parts = []
    for top in tops:
        y = top + _PICTURE_HEIGHT * (1 - cutoff_hz / max_hz)
        for look in ('stroke="#000000"', 'stroke="#ffffff" stroke-dasharray="4 3"'):
            end = _LEFT + _PICTURE_WIDTH
            parts.append(Markup(f'<line x1="{_LEFT}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}" {look} stroke-width="1.4"/>'))
    return parts


def _extent(one: Spectrogram) -> tuple[float, float]:
    step_hz = one.frequencies_hz[1] - one.frequencies_hz[0]
    return float(one.frequencies_hz[-1] + step_hz / 2), float(one.times_s[-1] + one.times_s[0])


def _image(png: bytes, place: tuple[float, float, float, float]) -> Markup:
    x, y, width, height = place
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return Markup(f'<image {size} preserveAspectRatio="none" href="{data_address(png)}"/>')
