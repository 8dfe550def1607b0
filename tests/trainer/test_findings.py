"""Findings as files: what is read is what was written, byte for byte the same each time."""

import dataclasses
import math
from pathlib import Path

import pytest

from sonyc_trainer.errors import StageError
from sonyc_trainer.findings import (
    BackgroundFinding,
    CellFinding,
    Comparison,
    Difference,
    Facts,
    Findings,
    SeedFinding,
    findings_in,
    write_findings,
)
from sonyc_trainer.records import columns_of, read_records, write_records
from sonyc_trainer.statistics.bootstrap import Estimate

CELL = CellFinding("any", "v9", 120, 31, 8, Estimate(0.1, 0.05, 1 / 3), Estimate(0.2, 0.1, 0.3), 1, math.nan)
DIFFERENCE = Difference(
    *(Comparison.DEPLOYED, "any", "v9", "pcm", "pcm", 120, 31, Estimate(-0.1, -0.2, 0.0), Estimate(-0.1, -0.2, 0.0)),
    *(0.02, 0.04, 9, 2, 0.03, 0.06, True),
)
FACTS = Facts("test", "single", 0.95, 2_000, 120, 31, "pcm", 1, ("v9 differs.", "v5 does not."))


def on_background(split: str, dataset: str) -> BackgroundFinding:
    return BackgroundFinding(split, dataset, "any", "v9", "dog", 40, 7, 4, Estimate(0.1, 0.04, 0.23))


def test_background_is_reported_of_test_clips_where_there_are_any() -> None:
    pairs = [("validation", "mine"), ("validation", "made"), ("test", "mine")]
    rows = tuple(on_background(split, dataset) for split, dataset in pairs)
    findings = Findings(FACTS, {}, {}, (), {}, {}, {}, {}, {}, (), rows)
    assert findings.reported_background() == rows[1:]


def test_columns_are_the_fields() -> None:
    assert columns_of(SeedFinding) == ("trained", "seed", "tested", "accuracy", "macro_f1")
    assert columns_of(CellFinding)[5:8] == ("accuracy", "accuracy_low", "accuracy_high")


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    write_records(tmp_path / "differences.csv", Difference, [DIFFERENCE])
    assert read_records(tmp_path / "differences.csv", Difference) == (DIFFERENCE,)


def test_missing_value_is_an_empty_field(tmp_path: Path) -> None:
    write_records(tmp_path / "cells.csv", CellFinding, [CELL])
    assert (tmp_path / "cells.csv").read_text().splitlines()[1].endswith(",1,")
    (found,) = read_records(tmp_path / "cells.csv", CellFinding)
    assert math.isnan(found.macro_f1_seed_sd)
    assert dataclasses.replace(found, macro_f1_seed_sd=0.0) == dataclasses.replace(CELL, macro_f1_seed_sd=0.0)


def test_other_table_is_refused(tmp_path: Path) -> None:
    write_records(tmp_path / "cells.csv", SeedFinding, [])
    with pytest.raises(StageError, match=r"cells\.csv has the columns trained, seed, .*; expected trained, tested"):
        read_records(tmp_path / "cells.csv", CellFinding)
    with pytest.raises(StageError, match="run the stage that writes it"):
        read_records(tmp_path / "none.csv", CellFinding)


def test_findings_come_back_as_they_were(tmp_path: Path) -> None:
    cell = dataclasses.replace(CELL, macro_f1_seed_sd=0.01)
    written = Findings(
        facts=FACTS,
        cells={("any", "v9"): cell},
        classes={},
        differences=(DIFFERENCE,),
        flips={},
        cosines={},
        auprc={},
        calibration={},
        accuracies={},
        seeds=(SeedFinding("any", 0, "v9", 0.1, 0.2),),
        background=(on_background("test", "mine"),),
    )
    write_findings(tmp_path, written)
    assert findings_in(tmp_path) == written
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_findings(tmp_path, findings_in(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
