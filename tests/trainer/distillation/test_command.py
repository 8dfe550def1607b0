"""`sonyc-trainer distill`: a bundle of a distilled embedding, its yardstick, and what is said of wrong wishes."""

import json
import shutil
from pathlib import Path

import pytest

from sonyc_contract.bundle import EMBEDDING, head_member, read_bundle
from sonyc_contract.golden import self_test
from sonyc_trainer.cli import main
from sonyc_trainer.embeddings.embedding import load_embedding
from sonyc_trainer.folder import StudyFolder, open_folder


@pytest.mark.slow
def test_bundle_has_the_distilled_embedding(
    study: Path, distilled: StudyFolder, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is distilled already is kept."""
    shutil.copytree(distilled.root, tmp_path / "out")
    assert main(["distill", str(study), "--teacher", str(teacher), "--out", str(tmp_path / "out"), "--json"]) == 0
    captured, folder = capsys.readouterr(), open_folder(tmp_path / "out")
    assert json.loads(captured.out) == {"bundle": str(folder.bundle)}
    assert "pretrain     kept" in captured.err
    bundle = read_bundle(folder.bundle)
    assert bundle.manifest.embedding == load_embedding(distilled.embedding_model).spec
    assert bundle.members[EMBEDDING] == load_embedding(distilled.embedding_model).model
    self_test(bundle)
    summary = json.loads(folder.summary.read_text())
    assert summary["matrix"]["pcm"]["pcm"]["accuracy"] > 0.5, "chance is 0.33"


@pytest.mark.slow
def test_yardstick_distils_without_the_fold(
    study: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["distill", str(study), "--teacher", str(teacher), "--out", str(tmp_path), "--yardstick", "--fold", "2"]
    assert main([*argv, "--json"]) == 0
    found = {(one["embedding"], one["level"]): one for one in json.loads(capsys.readouterr().out)["results"]}
    names = ("log-mel", "yamnet", "compact", "compact-any")
    assert set(found) == {(name, level) for name in names for level in ("pcm", "v9")}
    assert {one["n_clips"] for one in found.values()} == {12}
    assert found["compact", "pcm"]["macro_f1"]["value"] > 0.6, "chance is 0.33"
    variant = open_folder(tmp_path).variants()["compact-2"].study.pretrain.distil
    assert variant is not None
    assert variant.without_fold == 2
    assert not open_folder(tmp_path).bundle.exists()


def failure(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Give the one line that a failing command ends with."""
    assert main(["distill", *argv]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    last = captured.err.splitlines()[-1]
    assert last.startswith("sonyc-trainer: ")
    return last


def test_without_teacher_is_a_wrong_call(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["distill", str(study)]) == 2
    assert "Missing option '--teacher'" in capsys.readouterr().err


def test_teacher_that_is_not_there_is_told_at_once(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [str(study), "--teacher", str(tmp_path / "no.tflite"), "--out", str(tmp_path / "out")]
    assert "no.tflite is not there; give it with --teacher FILE" in failure(capsys, *argv)
    assert not (tmp_path / "out").exists()


def test_study_that_does_not_distil_is_refused(
    study: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = study.read_text()
    (tmp_path / "audio").symlink_to(study.parent / "audio")
    before, _, after = text.partition("[pretrain.distil]")
    (tmp_path / "plain.toml").write_text(before + after[after.index("[train]") :])
    argv = [str(tmp_path / "plain.toml"), "--teacher", str(teacher), "--out", str(tmp_path / "out")]
    assert "plain.toml: " in failure(capsys, *argv)
    assert not (tmp_path / "out").exists()


def test_other_teacher_is_refused(
    study: Path, distilled: StudyFolder, default_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder whose clips are coded: the teacher is read when it is needed."""
    shutil.copytree(distilled.root, tmp_path / "out")
    other = tmp_path / "other.tflite"
    other.write_bytes(read_bundle(default_bundle).members[head_member("pcm")])
    argv = ["--teacher", str(other), "--out", str(tmp_path / "out")]
    assert "other.tflite: its SHA-256 is " in failure(capsys, str(study), *argv)
    lenient = study.with_name("lenient.toml")
    lenient.write_text(
        "".join(line for line in study.read_text().splitlines(keepends=True) if "teacher_sha256" not in line)
    )
    assert "only YAMNet can teach" in failure(capsys, str(lenient), *argv)


def test_fold_that_no_clip_is_of_is_refused(
    study: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [str(study), "--teacher", str(teacher), "--out", str(tmp_path), "--yardstick", "--fold", "77"]
    assert "no clip is of fold 77; there are [0, 1, 2, 3]" in failure(capsys, *argv)
