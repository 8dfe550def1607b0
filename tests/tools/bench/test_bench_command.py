"""`sonyc-tools bench`, as its user runs it."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.bundle import read_bundle
from sonyc_contract.labels import LABELS
from sonyc_tools.cli import main
from support.broker import Mosquitto
from support.processes import wait_until
from support.signals import noise, write_wav

_QUICK = ["bench", "--reps", "1", "--agent-clips", "0", "--level", "v5", "--runtime", "litert"]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a short run prints as JSON, beside its CSV file and figure."""
    folder = tmp_path_factory.mktemp("bench")
    outputs = ["--csv", str(folder / "bench.csv"), "--figure", str(folder / "bench.png")]
    done = _run([*_QUICK, "--level", "pcm", "--card", "32GiB", "--json", *outputs])
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"folder": folder}


def test_one_document_holds_the_figures(document: dict[str, Any], default_bundle: Path) -> None:
    assert document["schema"] == "sonyc.bench/1"
    (recogniser,) = document["recognisers"]
    assert document["recogniser_ms_per_s"] == recogniser["ms_per_s"]["median"] > 0
    assert recogniser["sha256"] == read_bundle(default_bundle).digest
    assert set(recogniser["steps_ms_per_s"]) == {"resampling", "front_end", "embedding", "head"}
    assert recogniser["memory"]["added_mb"] > 0
    assert [one["level"] for one in recogniser["clips_of_10_s"]] == ["v5", "pcm"]
    for one in recogniser["clips_of_10_s"]:
        assert 0 < one["p50_ms"] <= one["p95_ms"] <= one["max_ms"]
        assert 0 < one["load"] < 0.8
    assert document["keeps_up"] is True
    assert document["machine"]["packages"]["ai-edge-litert"]


def test_steps_add_up_to_the_whole(document: dict[str, Any]) -> None:
    (recogniser,) = document["recognisers"]
    whole = recogniser["ms_per_s"]["median"]
    assert sum(step["median"] for step in recogniser["steps_ms_per_s"].values()) == pytest.approx(whole, rel=0.5)


def test_days_on_the_card_follow_from_the_bytes(document: dict[str, Any]) -> None:
    assert document["card_bytes"] == 32 * 2**30
    assert [(one["level"], one["storage_rate_hz"]) for one in document["levels"]] == [
        ("v5", 48_000), ("pcm", 48_000), ("v5", 16_000), ("pcm", 16_000),
    ]  # fmt: skip
    for one in document["levels"]:
        assert one["days_on_card"] == pytest.approx(32 * 2**30 / one["bytes_per_hour"] / 24, rel=1e-4)
    v5, pcm = document["levels"][:2]
    assert 4_000 * 3_600 < v5["bytes_per_hour"] < pcm["bytes_per_hour"] < 96_000 * 3_600


def test_every_figure_is_in_the_csv_file(document: dict[str, Any]) -> None:
    with (document["folder"] / "bench.csv").open() as file:
        rows = list(csv.DictReader(file))
    by_name = {(row["figure"], row["level"], row["storage_rate_hz"]): row for row in rows}
    assert float(by_name["recogniser", "", ""]["value"]) == pytest.approx(document["recogniser_ms_per_s"], rel=1e-3)
    assert int(by_name["size", "v5", "16000"]["value"]) == document["levels"][2]["bytes_per_hour"]
    assert all(row["unit"] or row["figure"].startswith("macro") for row in rows)


def test_figure_is_a_png(document: dict[str, Any]) -> None:
    assert (document["folder"] / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_machine_that_is_too_slow_ends_with_3_and_the_figure(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*_QUICK, "--max-load", "1e-6", "--hop", "0.48", "--json"]) == 3
    said = capfd.readouterr()
    document = json.loads(said.out)
    assert document["keeps_up"] is False
    (reason,) = document["too_slow"]
    assert "default, ai-edge-litert" in reason
    assert "at level v5, hop 0.48 s: coding and recognising take" in reason
    assert f"bench: cannot keep up with real time: {reason}" in said.err.splitlines()


def test_block_for_a_bug_report(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*_QUICK, "--paste"]) == 0
    block = capfd.readouterr().out.strip().splitlines()
    assert block[0] == block[-1] == "```"
    assert any(line.startswith("recogniser, default, ai-edge-litert") for line in block)
    assert str(Path.home()) not in "".join(block)


def test_tables(capfd: pytest.CaptureFixture[str], tmp_path: Path, default_bundle: Path) -> None:
    for label in ("dog", "engine"):
        write_wav(tmp_path / label / "1.wav", noise(2.0, 48_000), 48_000)
    assert main([*_QUICK, "--audio", str(tmp_path), "--bundle", str(default_bundle)]) == 0
    said = capfd.readouterr().out
    assert "Levels (processor time per s of audio; card of 64 GB)" in said
    assert "Top-1 / macro-F1 in % on 2 labelled recordings" in said


def test_accuracy_is_measured_on_labelled_audio(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, default_bundle: Path
) -> None:
    samples = noise(10.0, 48_000)
    scores = read_bundle(default_bundle).recogniser().score_with("v5", samples, 48_000)
    said = LABELS[int(scores.probabilities.argmax())]
    other = next(label for label in LABELS if label != said)
    rows = "".join(f"{k}.wav,{said if k else other}\n" for k in range(4))
    for k in range(4):
        write_wav(tmp_path / f"{k}.wav", samples, 48_000)
    for k in range(4, 8):  # a minute is timed on before it is reached
        write_wav(tmp_path / f"{k}.wav", samples, 48_000)
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    rows += "".join(f"{k}.wav,{said}\n" for k in range(4, 8)) + "broken.wav,dog\n"
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}")
    assert main([*_QUICK, "--audio", str(tmp_path / "labels.csv"), "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    (found,) = document["accuracy"]
    assert (found["level"], found["n_clips"], found["top1"]) == ("v5", 8, 7 / 8)
    assert found["macro_f1"] == pytest.approx((14 / 15 + 0) / 2)  # 7 of 8 claims are right; the other class is missed
    assert any(note.startswith(f"left out of the accuracy: {tmp_path / 'broken.wav'}") for note in document["notes"])


def test_agent_that_replays(capfd: pytest.CaptureFixture[str], mosquitto: Mosquitto) -> None:
    assert mosquitto  # installed: the agent's broker is of its kind
    assert main([*_QUICK, "--agent-clips", "1", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["notes"] == []
    (agent,) = document["agent"]
    assert (agent["level"], agent["n_clips"], agent["n_acknowledged"], agent["n_lost"]) == ("v5", 1, 1, 0)
    assert agent["broker"] == "mosquitto"
    assert 0 < agent["latency_s"]["median"] < 10
    assert 40 < agent["peak_pss_mb"] < 200
    assert 0 < agent["cpu_share"] < 1


def test_asked_to_end_it_leaves_no_agent_and_no_broker_behind(mosquitto: Mosquitto, tmp_path: Path) -> None:
    assert mosquitto
    command = [str(Path(sys.executable).with_name("sonyc-tools")), *_QUICK, "--agent-clips", "3"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    log = "sonyc-bench-*/log"
    wait_until(lambda: any("recording" in one.read_text() for one in tmp_path.glob(log)), what="an agent", timeout_s=60)
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert b"Traceback" not in said
    assert list(tmp_path.glob("sonyc-bench-*")) == []
    left = [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"{tmp_path}/sonyc-bench-".encode() in _command_line(path)
    ]
    assert left == []


def _command_line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--bundle", "missing.bundle"], 1, "sonyc-tools: missing.bundle: cannot be read: No such file or directory"),
        (["--audio", "missing"], 1, "sonyc-tools: missing: no such file or folder"),
        (["--peers", "missing"], 1, "sonyc-tools: missing: no such folder; --peers takes one with TFLite files"),
        (["--csv", "missing/bench.csv"], 1, "sonyc-tools: missing/bench.csv: its folder does not exist"),
        (["--hop", "0.105"], 1, "sonyc-tools: a hop of 0.105 s does not fit bundle 'default'"),
        (["--card", "64"], 0, ""),
        (["--card", "big"], 2, "Invalid value for '--card': 'big' is not a size such as 64GB"),
        (["--level", "v10"], 2, "Invalid value for '--level': unknown level 'v10'"),
        (["--rate", "22050"], 2, "Invalid value for '--rate': 22050 is not one of 16000, 24000"),
        (["--runtime", "onnx"], 2, "Invalid value for '--runtime': 'onnx' is not one of litert, tflite"),
        (["--max-load", "0"], 2, "Invalid value for '--max-load': 0 is not above 0"),
        (["--hop", "nan"], 2, "Invalid value for '--hop': nan is not above 0"),
        (["--reps", "0"], 2, "Invalid value for '--reps'"),
        (["--data", "x"], 2, "Invalid value for '--data': 'x' is not NAME=PATH"),
        (["--yardstick", "study.toml"], 2, "Invalid value for '--yardstick': needs --peers DIR"),
        (["--json", "--paste"], 2, "give either --json or --paste"),
    ],
)
def test_what_is_wrong_is_one_line(
    options: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*_QUICK, *options]) == code
    if message:
        assert message in capfd.readouterr().err


def test_help_is_quick_to_import() -> None:
    code = "import sys, sonyc_tools.cli; print(any(name.startswith('sonyc_tools.bench') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("sonyc-tools")), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
