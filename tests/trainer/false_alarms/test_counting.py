"""Counting false alarms: rates and thresholds of known probabilities, and the command around them."""

import json
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.bundle import read_bundle
from sonyc_contract.levels import Level
from sonyc_trainer.cli import main
from sonyc_trainer.false_alarms.counting import count_alarms, threshold_for
from sonyc_trainer.false_alarms.hearing import MADE, Heard


def test_alarms_are_counted_at_the_bundles_thresholds(default_bundle: Path) -> None:
    """Two hours of clips: in ten of them the first class reaches its threshold, in one of these the second too."""
    manifest = read_bundle(default_bundle).manifest
    thresholds = np.array(manifest.heads["v5"].thresholds)
    probabilities = np.tile(thresholds - 0.1, (720, 1))
    probabilities[:10, 0] = thresholds[0]
    probabilities[0, 1] = 0.99
    found = count_alarms(Heard(MADE, Level.V5, 7_200.0, probabilities), manifest, wanted_per_hour=1.0)
    assert (found.head, found.n_clips, found.hours, found.n_any) == ("v5", 720, 2.0, 10)
    assert [one.n_alarms for one in found.classes] == [10, 1, 0, 0, 0, 0, 0, 0]
    assert found.classes[0].per_hour.value == 5.0
    assert found.classes[0].wanted_threshold == pytest.approx(np.floor(thresholds[0] * 1_000 + 1) / 1_000)
    text = found.as_text(wanted_per_hour=1.0)
    assert "2.00 hours, 720 clips" in text
    assert "with any detection: 10 clips, 1.39 %" in text
    assert "too little" not in text
    assert "too little for 0.4 per hour" in found.as_text(wanted_per_hour=0.4)


@pytest.mark.parametrize(
    ("n_allowed", "expected"), [(0, 0.941), (1, 0.701), (2, 0.501), (3, 0.501), (4, 0.101), (5, 0.0), (9, 0.0)]
)
def test_threshold_leaves_as_many_as_are_allowed(n_allowed: int, expected: float) -> None:
    probabilities = np.array([0.1, 0.5, 0.94, 0.5, 0.7])
    found = threshold_for(probabilities, n_allowed=n_allowed)
    assert found == pytest.approx(expected)
    assert np.count_nonzero(probabilities >= found) <= n_allowed


def test_no_threshold_keeps_out_what_is_certain() -> None:
    assert threshold_for(np.array([1.0]), n_allowed=0) is None
    assert threshold_for(np.array([0.9999]), n_allowed=0) == 1.0


def test_command_prints_one_document(default_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["false-alarms", str(default_bundle), "--hours", "0.012", "--level", "pcm", "--level", "v9", "--json"]
    assert main(argv) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bundle"] == "default"
    assert [(one["level"], one["n_clips"]) for one in document["alarms"]] == [("pcm", 4), ("v9", 4)]
    for one in document["alarms"]:
        assert one["hours"] == pytest.approx(40 / 3_600)
        assert len(one["classes"]) == 8
        assert one["n_any"] <= sum(of["n_alarms"] for of in one["classes"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hours", "0"], "0 is not over 0"),
        (["--hours", "nan"], "nan is not over 0"),
        (["--level", "v10"], "'v10' is not one of pcm, v0"),
        (["--clip", "0.5"], "0.5 is not within 1 and 60"),
        (["--wanted", "0"], "0 is not over 0"),
    ],
)
def test_wrong_calls_give_2(
    default_bundle: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["false-alarms", str(default_bundle), *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--audio", "nowhere"], "nowhere is not a folder"), (["--seed", "-1"], "seed"), (["--hours", "1e9"], "hours")],
)
def test_failures_are_one_line(
    default_bundle: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["false-alarms", str(default_bundle), *options]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_what_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.bundle").write_bytes(b"nothing")
    for name in ("a.bundle", "b.bundle"):
        assert main(["false-alarms", str(tmp_path / name), "--hours", "0.01"]) == 1
        assert name in capsys.readouterr().err
