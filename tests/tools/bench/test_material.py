"""What is measured on: built-in scenes, folders, folders per class, CSV files."""

from pathlib import Path

import numpy as np
import pytest

from sonyc_tools.bench.material import gather
from sonyc_tools.bench.scenes import built_in_scenes
from sonyc_tools.errors import BenchError
from support.signals import noise, write_wav


def test_built_in_scenes_are_a_minute_of_the_same_sound() -> None:
    scenes = built_in_scenes()
    assert scenes.dtype == np.float32
    assert scenes.shape == (60 * 48_000,)
    peaks = np.abs(scenes.reshape(6, -1)).max(axis=1)
    np.testing.assert_allclose(peaks, 0.5 * np.linspace(0.1, 1, 6), rtol=1e-5)
    np.testing.assert_array_equal(scenes, built_in_scenes())
    assert [len(clip) for clip in gather(None).clips] == [480_000] * 6


def test_folder_without_classes_has_no_labels(tmp_path: Path) -> None:
    write_wav(tmp_path / "deep" / "er" / "b.wav", noise(2.0, 16_000), 16_000)
    (tmp_path / "notes.txt").touch()
    material = gather(tmp_path)
    assert (material.n_files, material.labelled) == (1, ())
    assert len(material.long) == 60 * 48_000  # less audio is repeated
    np.testing.assert_array_equal(material.long[:96_000], material.long[96_000 : 2 * 96_000])


def test_folder_per_class_gives_labels(tmp_path: Path) -> None:
    for name in ("dog", "engine"):
        write_wav(tmp_path / name / "x" / "1.wav", noise(1.0, 48_000), 48_000)
    assert [one.label for one in gather(tmp_path).labelled] == ["dog", "engine"]


def test_pieces_come_from_all_over_a_folder(tmp_path: Path) -> None:
    for k in range(60):
        write_wav(tmp_path / f"{k:02}.wav", np.full(480_000, (k + 1) / 100, np.float32), 48_000)
    found = [round(100 * float(clip.mean())) for clip in gather(tmp_path).clips]
    assert found == [1, 11, 21, 31, 41, 51]


@pytest.mark.parametrize("stray", ["birds/1.wav", "1.wav"])
def test_audio_that_is_of_no_class_is_refused(tmp_path: Path, stray: str) -> None:
    for path in ("dog/1.wav", stray):
        write_wav(tmp_path / path, noise(1.0, 48_000), 48_000)
    with pytest.raises(BenchError, match="is no class of SONYC's"):
        gather(tmp_path)


def test_csv_names_files_beside_it(tmp_path: Path) -> None:
    write_wav(tmp_path / "sound" / "1.wav", noise(1.0, 48_000), 48_000)
    (tmp_path / "labels.csv").write_text("file,label\nsound/1.wav,music\n")
    (one,) = gather(tmp_path / "labels.csv").labelled
    assert (one.path, one.label) == (tmp_path / "sound" / "1.wav", "music")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n1.wav,dog\n", "has no column 'file'; its first line must name file and label"),
        ("file,label\n1.wav,cat\n", "line 2: label 'cat' is none of engine"),
        ("file,label\n1.wav\n", "line 2: label None is none of"),
        ("", "has no column 'file'"),
        ("file,label\n", "holds no audio"),
    ],
)
def test_csv_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(BenchError, match=message):
        gather(path)


def test_csv_of_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00file")
    with pytest.raises(BenchError, match="not a CSV file"):
        gather(tmp_path / "labels.csv")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds no audio"):
        gather(tmp_path)
    with pytest.raises(BenchError, match="no such file or folder"):
        gather(tmp_path / "missing")
