"""Recordings of unknown classes beside a study: which files, which parts of them, and what they are for."""

import shutil
import wave
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.levels import Level
from sonyc_trainer.cli import main
from sonyc_trainer.cutting import TrimPlan
from sonyc_trainer.distillation.job import DistillationJob
from sonyc_trainer.distillation.learning import distil, read_sounds
from sonyc_trainer.distillation.mixtures import UNKNOWN
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.distillation.view import TeacherView
from sonyc_trainer.embeddings.compact import CompactEmbedding
from sonyc_trainer.embeddings.compact_frames import ClipFrames, make_frames
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.embeddings.sound_frames import (
    MAX_PIECES,
    SoundPlan,
    find_sounds,
    make_sound_frames,
    pieces_of,
)
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Fill, TrimSettings
from sonyc_trainer.tensorflow_session import tensorflow_session
from support.signals import noise, write_wav
from support.stage_runs import QUIET

FLOOR = 0.001
RATE_HZ = 16_000
LEVELS = (Level.PCM, Level.V9)
PLAN = TrimPlan(TrimSettings(keep_s=2.0, fill=Fill.ZEROS), RATE_HZ)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files that can be learned from, of which one is short; a silent one, one that is no audio, and others."""
    root = tmp_path_factory.mktemp("sounds")
    (root / "deep" / "deeper").mkdir(parents=True)
    write_wav(root / "first.wav", 0.3 * noise(3.0, RATE_HZ, seed=1), RATE_HZ)
    write_wav(root / "deep" / "second.WAV", 0.1 * noise(2.5, 22_050, seed=2), 22_050)
    write_wav(root / "deep" / "deeper" / "short.wav", 0.2 * noise(0.5, RATE_HZ, seed=3), RATE_HZ)
    write_wav(root / "silent.wav", np.zeros(RATE_HZ, np.float32), RATE_HZ)
    write_wav(root / "deep" / ".hidden.wav", noise(1.0, RATE_HZ), RATE_HZ)
    (root / "broken.ogg").write_bytes(b"no audio")
    (root / "readme.txt").write_text("no audio either")
    return root


def test_audio_of_all_folders_is_found(folder: Path) -> None:
    names = ["broken.ogg", "deep/deeper/short.wav", "deep/second.WAV", "first.wav", "silent.wav"]
    assert [path.relative_to(folder).as_posix() for path in find_sounds(folder, at_most=9, seed=1)] == names
    some = [tuple(find_sounds(folder, at_most=3, seed=seed)) for seed in range(8)]
    assert {len(one) for one in some} == {3}
    assert len(set(some)) > 1, "which ones, chance says"
    assert find_sounds(folder, at_most=3, seed=5) == list(some[5])


def test_folder_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing to hear")
    with pytest.raises(TrainingError, match=r"sounds: .* holds no audio file \(\.aif, .*\.wav\)"):
        find_sounds(tmp_path, at_most=9, seed=1)


def test_a_part_is_taken_of_every_half_minute(tmp_path: Path) -> None:
    """Each half minute has one loud second, with a tone of its own."""
    n, seconds = 30 * 8_000, np.arange(8_000) / 8_000
    samples = 0.01 * noise(95.0, 8_000)
    for piece in range(3):
        start = piece * len(samples) // 3 + n // 2
        samples[start : start + 8_000] += (0.4 * np.sin(2 * np.pi * 500 * (piece + 1) * seconds)).astype(np.float32)
    found = list(pieces_of(write_wav(tmp_path / "long.wav", samples, 8_000), PLAN))
    assert [len(one) for one in found] == [2 * RATE_HZ] * 3
    assert [round(np.abs(np.fft.rfft(one)).argmax() / 2 / 500) for one in found] == [1, 2, 3]


def test_of_very_long_files_parts_are_taken_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "hours.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        minute = (3_000 * noise(60.0, 8_000)).astype(np.int16).tobytes()
        for _ in range(10):
            file.writeframes(minute)
    assert len(list(pieces_of(path, PLAN))) == MAX_PIECES < 20


def test_of_silence_and_of_what_is_no_audio_nothing_is_taken(folder: Path) -> None:
    assert list(pieces_of(folder / "silent.wav", PLAN)) == []
    assert list(pieces_of(folder / "broken.ogg", PLAN)) == []


@pytest.fixture(scope="module")
def job(
    distilled: StudyFolder, folder: Path, layers: list[Layer], tmp_path_factory: pytest.TempPathFactory
) -> DistillationJob:
    """The study's distillation, with sounds beside its clips."""
    copy = StudyFolder(tmp_path_factory.mktemp("job"), distilled.study)
    copy.of(Stage.COMPRESS).symlink_to(distilled.of(Stage.COMPRESS))
    spec, settings = CompactEmbedding(distilled.study).spec, distilled.study.pretrain.distil
    assert settings is not None
    short = settings.model_copy(update={"n_mixtures": 128, "rounds": 1, "epochs": 1})
    frames = make_frames(copy, LEVELS, spec, context=QUIET)
    files = find_sounds(folder, at_most=9, seed=1)
    sounds = make_sound_frames(files, copy.root / "sounds", SoundPlan(PLAN, LEVELS, spec), context=QUIET)
    return DistillationJob(spec, short, layers, 1, frames, copy.root / "curve.csv", copy.root / "log", sounds)


def test_sounds_are_heard_at_every_level_and_have_no_class(job: DistillationJob) -> None:
    sounds, is_training = read_sounds(job.frames, job.sounds, floor=FLOOR)
    n_clips = len(ClipFrames(job.frames[Level.PCM]).n_frames)
    assert sounds.frames.shape[1] == n_clips + 3
    assert set(sounds.classes[n_clips:]) == {UNKNOWN}
    assert is_training[n_clips:].all()
    assert not sounds.is_labelled[n_clips:].any()
    assert sounds.is_labelled[:n_clips].any()
    assert sorted(sounds.n_heard[n_clips:])[0] < 60, "half a second, with zeros after it"
    pcm, v9 = sounds.frames[:, n_clips:].astype(np.float32)
    assert (np.abs(pcm - v9) > 0.05).any(axis=(1, 2)).all()
    correlations = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(pcm, v9, strict=True)]
    assert min(correlations) > 0.8


def views(job: DistillationJob, log: Path) -> list[np.ndarray]:
    """What the teacher makes of the study's clips, without and with sounds beside them."""
    with tensorflow_session(seed=1, log=log):
        found = []
        for others in ({}, job.sounds):
            sounds, is_training = read_sounds(job.frames, others, floor=FLOOR)
            found.append(TeacherView(job, sounds, is_training).of_clips)
        return found


def test_teacher_is_seen_as_without_them(job: DistillationJob, tensorflow_pool: Executor, tmp_path: Path) -> None:
    without, with_them = tensorflow_pool.submit(views, job, tmp_path / "log").result()
    assert len(with_them) == len(without) + 3
    np.testing.assert_allclose(with_them[: len(without)], without, atol=1e-4)


@pytest.mark.slow
def test_student_learns_from_them(job: DistillationJob, tensorflow_pool: Executor) -> None:
    embedding = tensorflow_pool.submit(distil, job).result()
    assert isinstance(embedding, Embedding)
    assert embedding.spec == job.spec


def test_sounds_of_a_study_are_found(
    folder: Path, with_distil: Callable[..., StudyFolder], layers: list[Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way from the study's key to the job."""
    jobs: list[DistillationJob] = []

    def note(_: object, job: DistillationJob, *rest: object) -> Embedding:
        jobs.append(job)
        return Embedding(job.spec, b"", b"")

    monkeypatch.setattr("sonyc_trainer.embeddings.compact._followed", note)
    monkeypatch.setattr("sonyc_trainer.embeddings.compact.shutil.rmtree", lambda *_: None)
    study = with_distil(sounds=str(folder), n_sounds=9)
    CompactEmbedding(study.study).make(study, QUIET)
    (job,) = jobs
    assert list(job.sounds) == list(study.study.pretrain.levels)
    assert {len(ClipFrames(folders).n_frames) for folders in job.sounds.values()} == {3}


def test_embedding_is_out_of_date_when_the_sounds_are_others(
    folder: Path, with_distil: Callable[..., StudyFolder], tmp_path: Path
) -> None:
    sounds = shutil.copytree(folder, tmp_path / "sounds")
    study = with_distil(sounds=str(sounds))
    before = study.key(Stage.PRETRAIN)
    (sounds / "readme.txt").write_text("words change nothing")
    assert study.key(Stage.PRETRAIN) == before
    write_wav(sounds / "one more.wav", noise(1.0, RATE_HZ), RATE_HZ)
    with_more = study.key(Stage.PRETRAIN)
    write_wav(sounds / "one more.wav", noise(2.0, RATE_HZ), RATE_HZ)
    with_longer = study.key(Stage.PRETRAIN)
    assert len({before, with_more, with_longer}) == 3
    assert study.key(Stage.COMPRESS) == with_distil().key(Stage.COMPRESS)


def test_folder_that_is_not_there_is_told_at_once(
    study: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--teacher", str(teacher), "--sounds", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(["distill", str(study), *argv]) == 1
    assert "sounds: " in (said := capsys.readouterr().err)
    assert "none is not there; give it with --sounds DIR" in said
    assert not (tmp_path / "out").exists()
