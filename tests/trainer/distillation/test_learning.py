"""A small teacher distilled on made sounds: what is learned from, what is not, and what comes of it."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonyc_contract.levels import Level
from sonyc_contract.runtime import Runtime, open_interpreter
from sonyc_trainer.context import StageContext
from sonyc_trainer.distillation.job import DistillationJob
from sonyc_trainer.distillation.last_layer import with_last_layer_refitted
from sonyc_trainer.distillation.learning import distil, read_sounds
from sonyc_trainer.distillation.mixtures import NONE
from sonyc_trainer.distillation.network import build_network, outputs_of, with_dense
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.distillation.view import TeacherView
from sonyc_trainer.embeddings.compact import CURVE_FILE, CompactEmbedding
from sonyc_trainer.embeddings.compact_frames import FRAMES_FILE, ClipFrames, make_frames
from sonyc_trainer.embeddings.embedding import Embedding, load_embedding
from sonyc_trainer.errors import EmbeddingError, TrainingError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.shards import ROWS_FILE
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import SELECTION, read_table
from sonyc_trainer.tensorflow_session import tensorflow_session
from support.stage_runs import QUIET, Quiet

FLOOR = 0.001


def read_curve(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def job(distilled: StudyFolder, layers: list[Layer], tmp_path_factory: pytest.TempPathFactory) -> DistillationJob:
    """The distillation of the study, with frames that stay."""
    folder = StudyFolder(tmp_path_factory.mktemp("job"), distilled.study)
    folder.of(Stage.COMPRESS).symlink_to(distilled.of(Stage.COMPRESS))
    spec, settings = CompactEmbedding(distilled.study).spec, distilled.study.pretrain.distil
    assert settings is not None
    frames = make_frames(folder, [Level.PCM, Level.V9], spec, context=QUIET)
    return DistillationJob(
        spec, settings, layers, distilled.study.seed, frames, folder.root / "curve.csv", folder.root / "log"
    )


@pytest.fixture(scope="module")
def curve(distilled: StudyFolder) -> list[dict[str, float]]:
    return read_curve(distilled.of(Stage.PRETRAIN) / CURVE_FILE)


@pytest.fixture(scope="module")
def embedding(distilled: StudyFolder) -> Embedding:
    found = load_embedding(distilled.embedding_model)
    assert isinstance(found, Embedding)
    return found


def with_labels(job: DistillationJob, folder: Path, changed: Callable[[dict[str, Any]], list[str]]) -> DistillationJob:
    """Copy a job's frames, with other labels."""
    frames = {level: [folder / level / one.name for one in folders] for level, folders in job.frames.items()}
    for level, folders in job.frames.items():
        for source, target in zip(folders, frames[level], strict=True):
            shutil.copytree(source, target)
            rows = json.loads((target / ROWS_FILE).read_text())
            (target / ROWS_FILE).write_text(json.dumps([row | {"labels": changed(row)} for row in rows]))
    return replace(job, frames=frames, curve=folder / "curve.csv", log=folder / "log")


def left_over(job: DistillationJob, keras: Path, log: Path) -> tuple[np.ndarray, np.ndarray]:
    """What a Keras model gives of the training clips at all levels, less the teacher's view of them, and that view."""
    with tensorflow_session(seed=1, log=log) as tf:
        sounds, is_training = read_sounds(job.frames, {}, floor=FLOOR)
        view, model = TeacherView(job, sounds, is_training), tf.keras.models.load_model(keras, compile=False)
        wanted = np.concatenate([view.of_clips[is_training, window] for window in range(2)])
        given = [
            np.concatenate([outputs_of(model, frames[is_training, start : start + 96]) for start in view.starts])
            for frames in sounds.frames
        ]
        return np.concatenate(given) - np.tile(wanted, (len(given), 1)), wanted


def test_last_layer_is_fitted_to_the_clips_as_they_are(
    job: DistillationJob, embedding: Embedding, tensorflow_pool: Executor, tmp_path: Path
) -> None:
    """A regression with a free bias is right on the average; what was learned on mixtures is not."""
    assert embedding.keras is not None
    keras = tmp_path / "embedding.keras"
    keras.write_bytes(embedding.keras)
    residual, wanted = tensorflow_pool.submit(left_over, job, keras, tmp_path / "log").result()
    assert np.abs(residual.mean(axis=0)).max() < 0.03, "of a standard deviation; more only where ReLU6 caps"
    assert (residual**2).mean() < 0.5 * wanted.var(axis=0).mean()


def test_student_learns(curve: list[dict[str, float]]) -> None:
    assert [point["epoch"] for point in curve] == [1, 2, 3, 4]
    assert curve[-1]["train_loss"] < 0.92 * curve[0]["train_loss"]
    assert curve[-1]["validation_loss"] < 0.7, "of the teacher's variance on clips whose labels it has not learned"
    assert curve[-1]["validation_accuracy"] > 0.6, "chance is 0.33"


def test_int8_file_is_what_was_asked_for_and_runs_in_every_runtime(
    job: DistillationJob, embedding: Embedding, runtime: Runtime
) -> None:
    interpreter = open_interpreter(embedding.model, runtime=runtime)
    assert (interpreter.input_shape, interpreter.output_shape) == ((96, 64, 1), (16,))
    assert embedding.spec == job.spec
    clips = ClipFrames(job.frames[Level.PCM])
    n_clips = len(clips.n_frames)
    found = interpreter.run(np.stack([clips.window(clip, 0, 96) for clip in range(n_clips)])[..., np.newaxis])
    truth = clips.truth.argmax(axis=1)
    of_class = {k: found[truth == k].mean(axis=0) for k in sorted(set(truth))}
    distances = np.stack([((found - mean) ** 2).sum(axis=1) for mean in of_class.values()])
    assert (np.array(list(of_class))[distances.argmin(axis=0)] == truth).mean() > 0.7, "textures are easy to tell apart"


@pytest.mark.slow
def test_student_learns_its_lesson_from_where_pruning_begins(
    job: DistillationJob, curve: list[dict[str, float]], tensorflow_pool: Executor
) -> None:
    """The same job that learns next to nothing has the losses of the pruned teacher.

    On so few clips the validation loss is no better than that (0.45 after 0.41): it is only not far worse.
    """
    slow = job.settings.model_copy(update={"learning_rate": 1e-9, "rounds": 1, "epochs": 1})
    tensorflow_pool.submit(distil, replace(job, settings=slow)).result()
    (start,) = read_curve(job.curve)
    assert curve[-1]["train_loss"] < 0.92 * start["train_loss"]
    assert start["validation_loss"] < 0.6
    assert curve[-1]["validation_loss"] < 1.3 * start["validation_loss"]


def test_training_that_goes_astray_is_told(job: DistillationJob, tensorflow_pool: Executor) -> None:
    """The loss is no number any more, or no channel is left alive: chance decides."""
    wild = job.settings.model_copy(update={"learning_rate": 1.0, "rounds": 1, "epochs": 1})
    with pytest.raises(
        TrainingError, match=r"(gives the same for all clips|the loss of epoch 1 is nan): lower learning_r"
    ):
        tensorflow_pool.submit(distil, replace(job, settings=wild)).result()


def refit_of_dead_layers(job: DistillationJob, log: Path) -> None:
    """Fit the last layer of a network whose ReLUs give nothing."""
    with tensorflow_session(seed=1, log=log):
        sounds, is_training = read_sounds(job.frames, {}, floor=FLOOR)
        network = build_network(job.teacher, (96, 64, 1))
        network.set_weights([one if one.ndim > 1 else np.full_like(one, -1e9) for one in network.get_weights()])
        kernel, bias = np.ones((network.output.shape[1], 16), np.float32), np.zeros(16, np.float32)
        student = with_dense(network, kernel, bias, name="dead")
        with_last_layer_refitted(student, TeacherView(job, sounds, is_training), sounds, is_training)


def test_network_that_gives_nothing_is_told(job: DistillationJob, tensorflow_pool: Executor, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="gives the same for all clips: lower learning_rate"):
        tensorflow_pool.submit(refit_of_dead_layers, job, tmp_path / "log").result()


@pytest.mark.slow
def test_label_of_a_validation_clip_is_not_learned_from(
    job: DistillationJob,
    embedding: Embedding,
    curve: list[dict[str, float]],
    tensorflow_pool: Executor,
    tmp_path: Path,
) -> None:
    """Every class has as many clips as before, so that they are drawn as often."""
    turned = {"dog": ["music"], "music": ["engine"], "engine": ["dog"]}
    other = with_labels(
        job, tmp_path, lambda row: turned[row["labels"][0]] if row["split"] == "validation" else row["labels"]
    )
    assert tensorflow_pool.submit(distil, other).result().model == embedding.model
    assert read_curve(other.curve)[-1]["validation_accuracy"] < 0.4 < curve[-1]["validation_accuracy"]


def test_only_labels_of_one_class_or_none_are_known(job: DistillationJob, tmp_path: Path) -> None:
    changed = {"dog": ["dog", "music"], "music": [], "engine": ["engine"]}
    other = with_labels(job, tmp_path, lambda row: changed[row["labels"][0]])
    sounds, is_training = read_sounds(other.frames, {}, floor=FLOOR)
    truth = ClipFrames(job.frames[Level.PCM]).truth.argmax(axis=1)
    names = sorted(set(truth))
    assert sounds.frames.shape == (2, len(truth), 198, 64)
    assert sounds.frames.dtype == np.float16
    assert (sounds.n_heard == 198).all()
    engine, music, dog = (truth == k for k in names)
    assert not sounds.is_labelled[dog].any(), "which of its two classes is a window of?"
    np.testing.assert_array_equal(sounds.is_labelled[~dog], is_training[~dog])
    assert set(sounds.classes[music]) == {NONE}
    assert set(sounds.classes[engine]) == {names[0]}


def test_shorter_clips_are_followed_by_silence(job: DistillationJob, tmp_path: Path) -> None:
    other = with_labels(job, tmp_path, lambda row: row["labels"])
    for folders in other.frames.values():
        rows = json.loads((folders[0] / ROWS_FILE).read_text())
        frames = np.load(folders[0] / FRAMES_FILE)
        np.save(folders[0] / FRAMES_FILE, frames[98:])
        (folders[0] / ROWS_FILE).write_text(json.dumps([rows[0] | {"n_frames": 100}, *rows[1:]]))
    sounds, _ = read_sounds(other.frames, {}, floor=FLOOR)
    whole, _ = read_sounds(job.frames, {}, floor=FLOOR)
    assert sounds.n_heard.tolist() == [100] + [198] * (len(whole.classes) - 1)
    np.testing.assert_array_equal(sounds.frames[:, 0, :100], whole.frames[:, 0, 98:])
    np.testing.assert_allclose(sounds.frames[:, 0, 100:], np.log(FLOOR), atol=0.01)


def test_fewer_than_three_classes_are_refused(job: DistillationJob, tensorflow_pool: Executor, tmp_path: Path) -> None:
    two = with_labels(job, tmp_path, lambda row: row["labels"] if row["labels"] == ["dog"] else ["music"])
    with pytest.raises(TrainingError, match="fewer than three classes are left to distil with: add clips"):
        tensorflow_pool.submit(distil, two).result()


class StoppedError(Exception):
    """The distillation would begin now."""


class UpToDistillation(ThreadPoolExecutor):
    """Does all work but the distillation."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin some work."""
        if fn is distil:
            raise StoppedError
        return super().submit(fn, *args, **kwargs)


@contextmanager
def up_to_distillation() -> Iterator[Executor]:
    with UpToDistillation(2) as pool:
        yield pool


def heard_clips(folder: StudyFolder, of_all: DistillationJob) -> dict[str, set[int]]:
    """Find, by its frames, which clip of all is in each row that would be learned from, by split."""
    with pytest.raises(StoppedError):
        CompactEmbedding(folder.study).make(folder, StageContext(up_to_distillation, Quiet()))
    found: dict[str, set[int]] = {"train": set(), "validation": set()}
    for level in (Level.PCM, Level.V9):
        every, heard = (
            ClipFrames(folders)
            for folders in (of_all.frames[level], sorted(folder.of(Stage.PRETRAIN).glob(f"frames/{level}/*")))
        )
        by_content = {every.window(clip, 0, 198).tobytes(): clip for clip in range(len(every.n_frames))}
        for clip, is_training in enumerate(heard.is_training):
            name = "train" if is_training else "validation"
            found[name].add(by_content[heard.window(clip, 0, 198).tobytes()])
    return found


def test_all_recordings_of_a_fold_are_left_out(
    distilled: StudyFolder, job: DistillationJob, with_distil: Callable[..., StudyFolder]
) -> None:
    """Recording 1 is of fold 1, but for one clip of fold 0: without fold 0, nothing of it is heard."""
    selection = read_table(distilled.selection, SELECTION)
    clips = selection[selection["split"] != "test"].reset_index(drop=True)
    groups = set(clips.loc[clips["fold"] == 0, "group"])
    assert set(clips.loc[clips["group"].isin(groups), "fold"]) == {0, 1}
    heard = heard_clips(with_distil(without_fold=0), job)
    stay = clips[~clips["group"].isin(groups)]
    for split in ("train", "validation"):
        assert heard[split] == set(stay.index[stay["split"] == split])
    everything = heard_clips(with_distil(), job)
    assert everything["train"] | everything["validation"] == set(clips.index)


def test_fold_that_is_not_there_is_refused(with_distil: Callable[..., StudyFolder]) -> None:
    folder = with_distil(without_fold=77)
    with pytest.raises(TrainingError, match=r"without_fold is 77; there are \[0, 1, 2, 3\]"):
        CompactEmbedding(folder.study).make(folder, QUIET)


def test_study_without_its_teacher_is_refused(with_distil: Callable[..., StudyFolder]) -> None:
    folder = with_distil(teacher=None)
    with pytest.raises(EmbeddingError, match=r"\[pretrain.distil\] names no teacher: give YAMNet's .* --teacher FILE"):
        CompactEmbedding(folder.study).make(folder, QUIET)
