"""Labelled audio as a study of `sonyc-trainer yardstick`, which is a process of its own."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from sonyc_tools.bench.judging import fold_of, study_toml
from sonyc_tools.bench.material import LabelledFile, gather
from sonyc_tools.cli import main
from sonyc_tools.errors import BenchError
from sonyc_trainer.study import load_study
from support.signals import noise, write_wav


def _files(n: int, label: str = "dog", *, pieces: int = 1) -> list[LabelledFile]:
    return [
        LabelledFile(Path(f"{label}-{k}-{piece}.wav"), label, f"{label}-{k}")
        for k in range(n)
        for piece in range(pieces)
    ]


def test_recordings_are_dealt_out_evenly_and_whole() -> None:
    files = [*_files(9, pieces=2), *_files(4, "music")]
    folds = fold_of(files)
    assert sorted(Counter(folds[f"dog-{k}"] for k in range(9)).values()) == [3, 3, 3]
    assert sorted(Counter(folds[f"music-{k}"] for k in range(4)).values()) == [1, 1, 2]
    assert folds == fold_of(files)


def test_class_of_too_few_recordings_is_refused() -> None:
    with pytest.raises(BenchError, match="class 'dog' has 2 recordings; 3 are needed, one per fold"):
        fold_of(_files(2, pieces=3))


def test_csv_names_recordings(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_wav(tmp_path / f"{name}.wav", noise(1.0, 48_000), 48_000)
    (tmp_path / "labels.csv").write_text("file,label,source\na.wav,dog,street 7\nb.wav,dog,\n")
    assert [one.source for one in gather(tmp_path / "labels.csv").labelled] == ["street 7", "b.wav"]


@pytest.mark.trainer_env
def test_study_that_is_made_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(study_toml({"yamnet-2": "yamnet", "sea": "edgel3-sea-converted", "e": "edgel3-sea", "s": "sonyc"}))
    (tmp_path / "audio").mkdir()
    files = {name: tmp_path / f"{name}.file" for name in ("yamnet-2", "sea", "e", "s", "compact")}
    for file in files.values():
        file.touch()
    study = load_study(path, folders={"labelled": tmp_path / "audio"}, models=files)
    assert [one.name for one in study.compare] == ["yamnet-2", "sea", "e", "s", "compact"]


@pytest.mark.trainer_env
@pytest.mark.slow
def test_every_embedding_is_judged(shared_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for k, label in enumerate(("dog", "engine", "music")):
        for n in range(3):
            write_wav(tmp_path / "audio" / label / f"{n}.wav", noise(2.0, 48_000, seed=9 * k + n, level=0.3**k), 48_000)
    models = shared_data / "models"
    shutil.copytree(models / "sonyc", tmp_path / "models" / "sonyc")
    shutil.copytree(models / "yamnet", tmp_path / "models" / "yamnet")
    options = ["--audio", str(tmp_path / "audio"), "--peers", str(tmp_path / "models"), "--level", "pcm", "--json"]
    figure = tmp_path / "bench.png"
    assert main(["bench", "--reps", "1", "--agent-clips", "0", "--figure", str(figure), *options]) == 0
    document = json.loads(capfd.readouterr().out)
    judged = {one["embedding"]: one for one in document["yardstick"]}
    assert set(judged) == {"log-mel", "compact", "yamnet", "yamnet-scores-logmel", "sonyc"}
    for name, one in judged.items():
        value, low, high = one["macro_f1"]
        assert 0 <= low <= value <= high <= 1
        assert one["n_clips"] == 9
        assert (one["difference"] is None) == (name == "yamnet")
    assert {peer["yardstick_embedding"] for peer in document["peers"]} == {*judged, None} - {"compact"}
    assert figure.read_bytes().startswith(b"\x89PNG")
