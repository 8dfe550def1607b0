"""The tables that the demo ends with."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from sonyc_contract.messages import LabelEvent


def accuracy_table(summary: Mapping[str, Any]) -> Table:
    """Accuracy and macro-F1 on the test clips: a row per trained level, a column per tested one."""
    table = Table(title="Accuracy/macro-F1 in %; rows trained, columns tested; synthetic scenes", title_justify="left")
    table.add_column("")
    for level in summary["levels"]:
        table.add_column(level, justify="right")
    for trained in summary["heads"]:
        cells = [summary["matrix"][trained][tested] for tested in summary["levels"]]
        table.add_row(trained, *(f"{100 * cell['accuracy']:.1f}/{100 * cell['macro_f1']:.1f}" for cell in cells))
    return table


def cost_table(summary: Mapping[str, Any], ms_per_s: Mapping[str, float]) -> Table:
    """Bytes per hour and milliseconds per second of audio, a row per level."""
    table = Table(title="What a level costs", title_justify="left")
    for heading in ("level", "MB per hour", "ms per s of audio"):
        table.add_column(heading, justify="right" if heading != "level" else "left")
    for level in summary["levels"]:
        megabytes = summary["bytes_per_hour"][level] / 1e6
        table.add_row(level, f"{megabytes:.1f}", f"{ms_per_s[level]:.2f}")
    return table


def labels_table(labels: Sequence[LabelEvent]) -> Table:
    """What the subscriber received: how often each class was detected."""
    counts = Counter(name for label in labels for name in label.detections or ("none of the eight",))
    table = Table(title=f"{len(labels)} labels received", title_justify="left")
    table.add_column("class")
    table.add_column("clips", justify="right")
    for name, n in counts.most_common():
        table.add_row(name, str(n))
    return table
