"""What a card is good for: from a study, and from recordings alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sonyc_trainer.cli import main
from sonyc_trainer.errors import PlanError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.planning.costs import read_costs
from sonyc_trainer.planning.planner import Wish, plan_of_sample, plan_of_study
from sonyc_trainer.planning.sampling import sample_audio
from sonyc_trainer.stages import Stage
from support.stage_runs import QUIET


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two recordings of noise and one file that is none."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for name, duration_s in (("a.wav", 2), ("b.flac", 12)):
        soundfile.write(folder / name, 0.1 * rng.standard_normal(duration_s * 16_000), 16_000)
    (folder / "c.wav").write_bytes(b"not audio")
    return folder


def test_days_are_card_over_bytes_and_duty() -> None:
    assert Wish(24_000_000, duty=0.5).days(1_000_000) == pytest.approx(2.0)
    assert Wish(24_000_000).days(1_000_000) == pytest.approx(1.0)


def test_smallest_that_reaches_the_wish_is_chosen(finished: StudyFolder) -> None:
    everything = plan_of_study(finished, Wish(64_000_000_000))
    assert everything.chosen is None
    assert [option.bytes_per_hour for option in everything.options] == sorted(
        option.bytes_per_hour for option in everything.options
    )
    wanted = sorted(option.macro_f1.value for option in everything.options if option.macro_f1)[1]
    plan = plan_of_study(finished, Wish(64_000_000_000, duty=0.25, min_f1=wanted))
    assert plan.chosen is not None
    assert plan.chosen.macro_f1 is not None
    assert plan.chosen.macro_f1.value >= wanted
    smaller = [option for option in plan.options if option.bytes_per_hour < plan.chosen.bytes_per_hour]
    assert all(option.macro_f1 and option.macro_f1.value < wanted for option in smaller)
    assert plan.chosen.days == pytest.approx(64e9 / (24 * 0.25 * plan.chosen.bytes_per_hour))
    assert plan.chosen.name in plan.as_text().splitlines()[0]


def test_figures_that_are_not_measured_alike_are_said_to_be_so(own_copy: StudyFolder) -> None:
    plan = plan_of_study(own_copy, Wish(1))
    own = {row.coding.setting: row for row in read_costs(own_copy.costs) if row.coding.rate_hz == 16_000}
    costs = own_copy.costs.read_text().splitlines()
    assert not any("Not measured alike" in note for note in plan.notes), "there is one rate only"
    other = costs[1].replace(",16000,", ",8000,").split(",")
    own_copy.costs.write_text("\n".join([*costs, ",".join([*other[:5], "7", *other[6:]])]) + "\n")
    (note,) = plan_of_study(own_copy, Wish(1)).notes
    assert "at 16 kHz macro-F1 is of all " in note
    assert "at other rates of 7 of them, with head 'any' of the first seed" in note
    assert f"at 16 kHz: pcm {own['pcm'].macro_f1.value:.3f}, v5 " in note
    lines = plan_of_study(own_copy, Wish(1)).as_text().splitlines()
    assert lines[0].split()[-1] == "clips"
    assert next(line for line in lines if "8 kHz" in line).split()[-1] == "7"


def test_figure_without_an_interval_is_not_given_one(own_copy: StudyFolder) -> None:
    cells = own_copy.of(Stage.EVALUATE) / "cells.csv"
    table = pd.read_csv(cells)
    table[["macro_f1_low", "macro_f1_high"]] = float("nan")
    table.to_csv(cells, index=False)
    plan = plan_of_study(own_copy, Wish(10**9, min_f1=0.01))
    assert "(no interval)" in plan.as_text().splitlines()[0]
    assert "The clips are of one recording or sensor: nothing can be said of others." in plan.notes
    assert plan.as_document()["chosen"]["macro_f1_low"] is None


def test_wish_that_no_level_reaches_says_the_best(finished: StudyFolder) -> None:
    options = plan_of_study(finished, Wish(1)).options
    best = max(option.macro_f1.value for option in options if option.macro_f1)
    with pytest.raises(PlanError, match=rf"no level reaches a macro-F1 of 1\.5 .*the best is .* with {best:.3f} \("):
        plan_of_study(finished, Wish(1, min_f1=1.5))


def test_recordings_alone_give_sizes(recordings: Path) -> None:
    sample = sample_audio(recordings, (16_000,), QUIET)
    assert sample.n_files == 2
    assert sample.duration_s == pytest.approx(12.0)
    assert ["c.wav" in reason for reason in sample.unread] == [True]
    plan = plan_of_sample(sample, Wish(10**9))
    assert len(plan.options) == 11
    sizes = {option.level.value: option.bytes_per_hour for option in plan.options}
    assert sizes["v9"] < sizes["v5"] < sizes["v0"] < sizes["pcm"]
    assert "1 files could not be read" in plan.as_text()


def test_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="holds no audio"):
        sample_audio(tmp_path, (16_000,), QUIET)
    with pytest.raises(PlanError, match="is not a folder"):
        sample_audio(tmp_path / "none", (16_000,), QUIET)
    (tmp_path / "a.wav").write_bytes(b"nothing")
    with pytest.raises(PlanError, match="none of 1 files could be read"):
        sample_audio(tmp_path, (16_000,), QUIET)


def test_command_answers_in_words_and_json(finished: StudyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["plan", "--card", "64GB", "--duty", "0.25", "--min-f1", "0.1", str(finished.root)]
    assert main(argv) == 0
    assert "64 GB hold" in capsys.readouterr().out
    assert main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["card_bytes"] == 64_000_000_000
    assert document["chosen"]["macro_f1"] >= 0.1
    assert document["chosen"] in document["options"]


def test_command_is_refused_in_one_line(finished: StudyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    study = str(finished.root)
    for argv in (
        ["--card", "64GX", study],
        [study],
        ["--card", "64GB"],
        ["--card", "64GB", study, "--audio", study],
        ["--card", "64GB", "--duty", "0", study],
        ["--card", "64GB", "--duty", "1.5", study],
        ["--card", "64GB", "--min-f1", "2", study],
        ["--card", "64GB", "--min-f1", "0.5", "--audio", study],
    ):
        assert main(["plan", *argv]) == 2, argv
        assert "Error: " in capsys.readouterr().err
    assert main(["plan", "--card", "64GB", str(finished.root.parent)]) == 1
    assert "is not the folder of a study" in capsys.readouterr().err
