"""The Pareto front, and the table of a small study's costs."""

import csv
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_trainer.errors import StageError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.planning.codings import Family
from sonyc_trainer.planning.costs import pareto_front, read_costs
from sonyc_trainer.stages import Stage, costing
from sonyc_trainer.tables import TRIMMED, read_table, write_table
from support.stage_runs import QUIET


def test_front_holds_what_nothing_beats_in_both() -> None:
    points = [(1.0, 0.5), (2.0, 0.7), (3.0, 0.6), (4.0, 0.7), (5.0, 0.9)]
    assert pareto_front(points) == [True, True, False, False, True]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_everything_off_the_front_is_beaten_by_something_on_it(points: list[tuple[int, int]]) -> None:
    front = pareto_front([(float(cost), float(gain)) for cost, gain in points])
    on_front = [point for point, is_on in zip(points, front, strict=True) if is_on]
    assert on_front
    for (cost, gain), is_on in zip(points, front, strict=True):
        beaten = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in on_front)
        assert beaten is not is_on


def test_costs_hold_the_levels_and_opus(finished: StudyFolder) -> None:
    rows = {(row.coding.family, row.coding.setting): row for row in read_costs(finished.costs)}
    assert set(rows) == {
        *((Family.FLAC, "pcm"), (Family.MP3, "v5"), (Family.MP3, "v9")),
        *((Family.OPUS, "16"), (Family.OPUS, "32")),
    }
    assert {row.coding.rate_hz for row in rows.values()} == {16_000}
    assert rows[Family.FLAC, "pcm"].bytes_per_hour > rows[Family.MP3, "v9"].bytes_per_hour
    assert any(row.is_on_front for row in rows.values())
    smallest = min(rows.values(), key=lambda row: row.bytes_per_hour)
    assert smallest.is_on_front


def test_own_levels_are_as_evaluated(finished: StudyFolder) -> None:
    """All test clips of the small study are taken, so the cell is the matrix's own."""
    with (finished.of(Stage.EVALUATE) / "matrix.csv").open(newline="") as file:
        cells = {(row["trained"], row["tested"]): row for row in csv.DictReader(file) if row["split"] == "test"}
    for row in read_costs(finished.costs):
        if row.coding.level is not None:
            cell = cells["any", row.coding.setting]
            assert row.n_clips == int(cell["n_clips"])
            assert row.macro_f1.value == pytest.approx(float(cell["macro_f1"]))
            assert row.macro_f1.low <= row.macro_f1.value <= row.macro_f1.high


def test_clips_of_one_recording_have_no_interval(own_copy: StudyFolder) -> None:
    trimmed = read_table(own_copy.trimmed, TRIMMED)
    write_table(own_copy.trimmed, trimmed.assign(group="own/1"), TRIMMED)
    costing.run(own_copy, QUIET)
    for row in read_costs(own_copy.costs):
        assert row.n_clips
        assert isnan(row.macro_f1.low)
        assert isnan(row.macro_f1.high)


def test_missing_table_names_its_stage(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="run stage 'costs'"):
        read_costs(tmp_path / "costs.csv")
