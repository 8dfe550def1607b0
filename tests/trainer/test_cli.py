"""The command line as a process and in this one: exit codes, one-line errors, help without weight."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sonyc_trainer.cli import STAGE_HELP, main
from sonyc_trainer.stages import Stage
from support.processes import wait_until
from support.small_datasets import burst_study, write_urbansound8k

STUDY = """
name = "small"
[[dataset]]
name = "mine"
format = "class-folders"
file_pattern = '^(?P<source>\\d+)-'
[trim]
keep_s = 0.5
[compress]
storage_rate_hz = 16000
levels = ["pcm", "v5"]
[train]
levels = ["pcm"]
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study's file that names no folder; `audio` beside it fits."""
    burst_study(tmp_path / "audio", n_groups=3, n_clips=1)
    path = tmp_path / "small.toml"
    path.write_text(STUDY)
    return path


def options(study: Path) -> list[str]:
    return [str(study), "--data", f"mine={study.parent / 'audio'}", "--out", str(study.parent / "out")]


def multiply_clips(study: Path, n: int) -> None:
    """Give every clip of the study `n` copies, which take no room."""
    for label in ("dog", "music"):
        for clip in list((study.parent / "audio" / label).glob("*.wav")):
            for number in range(n):
                clip.with_name(f"{clip.stem}{number}.wav").hardlink_to(clip)


def start_run(study: Path) -> subprocess.Popen[str]:
    """Run a study as a process, in a session of its own so that a signal to it reaches its workers and no one else."""
    command = [sys.executable, "-m", "sonyc_trainer.cli", "run", *options(study)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def shards_of(stage_folder: Path) -> list[Path]:
    return list(stage_folder.glob("0*"))


def children_of(process_id: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z"


def audio_below(folder: Path) -> dict[str, bytes]:
    """Content of every audio file of a study, by its path."""
    paths = [path for path in folder.rglob("*") if path.suffix in {".flac", ".mp3"}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def failure(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Give the one line that a failing command writes."""
    assert main(list(argv)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("sonyc-trainer: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_every_stage_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert list(STAGE_HELP) == list(Stage)
    for stage in Stage:
        assert f"\n  {stage} " in text
    assert "..." not in text.partition("Commands:")[2]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("argv", [["run"], ["fly"], ["run", "a.toml", "b.toml"], ["generate"], ["run", "--colour"]])
def test_wrong_call_gives_2(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert main(argv) == 2
    assert "Error: " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["mine", "=x", "mine="])
def test_folder_without_name_is_a_wrong_call(capsys: pytest.CaptureFixture[str], study: Path, text: str) -> None:
    assert main(["run", str(study), "--data", text]) == 2
    assert f"'{text}' is not NAME=PATH" in capsys.readouterr().err


def test_stages_run_one_by_one(capsys: pytest.CaptureFixture[str], study: Path) -> None:
    assert main(["dataset", *options(study)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"small: results are in {study.parent / 'out'}\n"
    assert "dataset" in captured.err
    assert main(["select", *options(study), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["study"] == "small"
    assert document["stages"]["select"]["kept"] is False
    assert main(["select", *options(study), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"]["select"]["kept"] is True


def test_default_folder_is_below_the_current_one(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.parent)
    assert main(["dataset", str(study), "--data", "mine=audio"]) == 0
    assert (study.parent / "out" / "small" / "study.json").is_file()


def test_urbansound8k_has_an_option_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"{n}-3-0-0.wav", n, 1, "dog_bark") for n in range(3)]
    folder = write_urbansound8k(tmp_path / "data", rows)
    path = tmp_path / "s.toml"
    path.write_text('name = "s"\n[[dataset]]\nname = "urbansound8k"\nformat = "urbansound8k"\n')
    argv = [str(path), "--urbansound8k", str(folder), "--out", str(tmp_path / "out")]
    assert main(["dataset", *argv]) == 0
    capsys.readouterr()
    assert "the study has no dataset named 'esc10'" in failure(capsys, "dataset", *argv, "--esc10", str(tmp_path))


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], study: Path) -> None:
    assert "small.toml: dataset 'mine' names no folder" in failure(capsys, "run", str(study))
    assert "nowhere.toml: cannot be read" in failure(capsys, "run", "nowhere.toml")
    assert "stage 'trim' needs 'select' first" in failure(capsys, "trim", *options(study))
    study.write_text(STUDY + "[trimm]\n")
    assert f"{study}: unknown key 'trimm'" in failure(capsys, "run", *options(study))
    study.write_text(STUDY.replace("keep_s = 0.5", 'keep_s = "half"'))
    message = failure(capsys, "run", *options(study))
    assert f"{study}: key 'trim.keep_s': " in message
    assert "'half'" in message


def test_folder_that_cannot_be_made_is_one_line(capsys: pytest.CaptureFixture[str], study: Path) -> None:
    (study.parent / "out").write_text("in the way")
    assert "out" in failure(capsys, "dataset", *options(study))


def test_show_tells_how_far_a_study_is(capsys: pytest.CaptureFixture[str], study: Path) -> None:
    for stage in ("dataset", "select"):
        main([stage, *options(study)])
    capsys.readouterr()
    assert main(["show", str(study.parent / "out"), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert list(status["stages"]) == ["dataset", "select"]
    assert status["breakdown"]["dog"] == {"train": 1, "validation": 1, "test": 1}
    assert [(row["rule"], row["n_clips"]) for row in status["ledger"]] == [("listed", 6), ("used", 6)]
    assert main(["show", str(study.parent / "out")]) == 0
    text = capsys.readouterr().out
    assert "dog" in text
    assert "Note: Class engine has no clip at all" in text
    assert "is not the folder of a study" in failure(capsys, "show", str(study.parent))


def test_generate_makes_a_dataset_that_a_study_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(tmp_path / "scenes"), "--clips", "2", "--sensors", "1", "--seed", "4"]) == 0
    assert len(list((tmp_path / "scenes" / "audio").glob("*.wav"))) == 2
    capsys.readouterr()
    assert "n_clips" in failure(capsys, "generate", str(tmp_path / "none"), "--clips", "0")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_with_130_and_the_next_run_goes_on(study: Path, signal_number: signal.Signals) -> None:
    """A real process with real workers, interrupted as Ctrl-C or `kill` does once a stage is under way."""
    multiply_clips(study, 80)
    process = start_run(study)
    trim = study.parent / "out" / "02-trim"
    wait_until(lambda: bool(shards_of(trim)) or process.poll() is not None, what="a first shard")
    if signal_number is signal.SIGINT:
        os.killpg(process.pid, signal_number)  # a terminal interrupts the workers, too
    else:
        process.send_signal(signal_number)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert text.endswith("interrupted: the same command goes on where this one stopped\n")
    assert "Traceback" not in text
    assert not (trim / "trimmed.parquet").exists()
    n_done = len(shards_of(trim))
    assert main(["trim", *options(study)]) == 0
    assert len(shards_of(trim)) > n_done
    assert (trim / "trimmed.parquet").is_file()


def test_killed_run_goes_on_to_the_same_results(study: Path) -> None:
    """Killed without a chance to tidy up; the workers must not outlive it, nor a half-written shard show."""
    multiply_clips(study, 10)
    process = start_run(study)
    coded = study.parent / "out" / "03-compress"
    wait_until(lambda: bool(shards_of(coded)) or process.poll() is not None, what="a first shard")
    workers = children_of(process.pid)
    process.kill()
    process.communicate(timeout=60)
    assert len(workers) >= 2
    wait_until(lambda: not any(map(is_running, workers)), what="end of the workers")
    n_done = len(shards_of(coded))
    assert main(["compress", *options(study)]) == 0
    assert 0 < n_done < len(shards_of(coded))
    whole = study.parent / "whole"
    for stage in ("dataset", "select", "trim", "compress"):
        assert main([stage, *options(study)[:-1], str(whole)]) == 0
    assert audio_below(whole) == audio_below(study.parent / "out")


def test_help_is_light() -> None:
    code = (
        "import sys; from sonyc_trainer.cli import main; main(['run', '--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"tensorflow", "pandas", "numpy", "scipy", "sklearn", "matplotlib", "rich"}
    assert not heavy & set(done.stderr.split())


def test_labels_are_those_of_the_command_line(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", *options(study), "--labels", "multi"]) == 0
    assert json.loads((study.parent / "out" / "study.json").read_text())["labels"] == "multi"
    capsys.readouterr()
    assert main(["dataset", *options(study), "--labels", "both"]) == 2
    assert "'both' is not one of single, multi" in " ".join(capsys.readouterr().err.split())
