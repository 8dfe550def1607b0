"""The distillation, in a process of its own: prune the teacher, let it hear mixtures, and learn what it makes of them.

What the student is to give is the teacher's embedding, standardised and seen in fewer dimensions through a random
rotation, which keeps distances (Johnson and Lindenstrauss 1984): a classifier finds the same classes on either side.
Two more losses tell it what matters: the classes that a logistic regression on the teacher's embedding finds in the
mixture, and the classes that are in it. At last the dense layer on top is fitted anew, to the teacher's view alone, on
the clips as they are: labels and mixtures pull it away from there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.levels import Level
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_trainer.conversion import keras_file, to_int8
from sonyc_trainer.distillation.equalising import equalised
from sonyc_trainer.distillation.mixtures import N_CLASSES, NONE, Mixed, Mixer, Sounds, heard_frames
from sonyc_trainer.distillation.network import build_network, outputs_of, with_dense
from sonyc_trainer.distillation.pruning import kept_counts, pruned, ridge
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.embeddings.compact_frames import ClipFrames
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.learning import CurveFile, Epoch, Indices
from sonyc_trainer.study import DistilSettings
from sonyc_trainer.tensorflow_session import tensorflow_session

_DRAWN_AT_ONCE: Final = 256
_N_FOR_PRUNING: Final = 1_200
_N_REPRESENTATIVE: Final = 1_000
_N_FOR_RANGES: Final = 512
_STD_FLOOR: Final = 0.1
"""Of the mean standard deviation: nearly dead dimensions of the teacher are not blown up."""
_REGULARISATION_C: Final = 0.05
_WARM_UP_STEPS: Final = 200


@dataclass(frozen=True)
class DistillationJob:
    """All that the process needs.

    Attributes:
        spec: The embedding that is wanted.
        settings: `[pretrain.distil]`.
        teacher: Its layers.
        seed: Of everything random.
        frames: Folders of frames by level, as `make_frames` gives them; the first level is `pcm`.
        curve: Where the training curve is written, a line per epoch.
        log: Where TensorFlow's own output goes.
    """

    spec: EmbeddingSpec
    settings: DistilSettings
    teacher: list[Layer]
    seed: int
    frames: Mapping[Level, list[Path]]
    curve: Path
    log: Path


@dataclass(frozen=True)
class Lesson:
    """What is learned from, over and over.

    Attributes:
        heard: float16 [n, n_frames, n_mels].
        wanted: float32 [n, n_dimensions], the teacher's view.
        found: float32 [n, 9], the classes that a classifier finds in it.
        targets: float32 [n, 9], the classes that are in it; zeros where they are not known.
    """

    heard: Any
    wanted: FloatArray
    found: FloatArray
    targets: FloatArray


def distil(job: DistillationJob) -> Embedding:
    """Make the student, and quantise it.

    Raises:
        TrainingError: too few clips or classes, or the training went astray.
    """
    with tensorflow_session(seed=job.seed, log=job.log):
        sounds, is_training = read_sounds(job.frames, floor=job.spec.frontend.floor)
        rng = np.random.default_rng(job.seed)
        mixer = Mixer(sounds, job.settings.mixtures, n_frames=_n_frames(job), floor=job.spec.frontend.floor, rng=rng)
        view = TeacherView(job, sounds, is_training)
        student = _student(job, view, mixer.draw(_N_FOR_PRUNING))
        lesson = _lesson(job, view, mixer)
        _Learner(job, view, student).learn(lesson, sounds, np.flatnonzero(~is_training))
        student = _with_last_layer_refitted(student, view, sounds, np.flatnonzero(is_training))
        representative = lesson.heard[:_N_REPRESENTATIVE].astype(np.float32)[..., np.newaxis]
        student = equalised(student, representative[:_N_FOR_RANGES])
        return Embedding(job.spec, to_int8(student, representative), keras_file(student))


def read_sounds(frames: Mapping[Level, list[Path]], *, floor: float) -> tuple[Sounds, Any]:
    """Read all frames into memory; shorter clips are followed by silence.

    Returns:
        The sounds, and which of them are for training, bool [n_clips]; only their labels are known to the training.
    """
    of_levels = [ClipFrames(folders) for folders in frames.values()]
    first = of_levels[0]
    n_frames = int(first.n_frames.max())
    silence = np.float16(np.log(floor))
    n_mels = first.window(0, 0, 1).shape[1]
    array = np.full((len(of_levels), len(first.n_frames), n_frames, n_mels), silence, np.float16)
    for level, clips in zip(array, of_levels, strict=True):
        for clip, n in enumerate(clips.n_frames):
            level[clip, :n] = clips.window(clip, 0, int(n))
    classes = np.where(first.truth.any(axis=1), first.truth.argmax(axis=1), NONE)
    known = first.is_training & (first.truth.sum(axis=1) <= 1)
    return Sounds(array, classes, heard_frames(array[0], floor=floor), known), first.is_training


class TeacherView:
    """What the teacher makes of windows, in the student's dimensions, and the classes found in that."""

    def __init__(self, job: DistillationJob, sounds: Sounds, is_training: Any) -> None:
        import tensorflow as tf

        frontend = job.spec.frontend
        self._network = build_network(job.teacher, (_n_frames(job), frontend.n_mels, 1))
        self._call = tf.function(lambda batch: self._network(batch, training=False), reduce_retracing=True)
        self.starts = range(0, sounds.frames.shape[2] - _n_frames(job) + 1, _n_frames(job))
        raw = np.stack([self._raw(_cut(sounds.frames[0], start, _n_frames(job))) for start in self.starts], axis=1)
        rows = raw[is_training].reshape(-1, raw.shape[-1])
        self._mean, std = rows.mean(axis=0), rows.std(axis=0)
        self._std = np.maximum(std, _STD_FLOOR * std.mean())
        rng = np.random.default_rng(job.seed)
        rotation, _ = np.linalg.qr(rng.normal(size=(raw.shape[-1], job.spec.n_dimensions)))
        turned = ((rows - self._mean) / self._std) @ rotation
        self._rotation = (rotation / turned.std(axis=0)).astype(np.float32)
        self.of_clips = self._turned(raw)
        self.kernel, self.bias = _classifier(self.of_clips.mean(axis=1), sounds)

    def of(self, windows: FloatArray) -> FloatArray:
        """Give what the student is to give: float32 [n, n_dimensions] for float32 [n, n_frames, n_mels]."""
        return self._turned(self._raw(windows))

    def found(self, seen: FloatArray) -> FloatArray:
        """Give the probabilities of nine classes, float32 [n, 9], for what `of` gave."""
        logits = seen @ self.kernel + self.bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)

    def _raw(self, windows: Any) -> FloatArray:
        return outputs_of(self._call, windows)

    def _turned(self, raw: FloatArray) -> FloatArray:
        return np.asarray(((raw - self._mean) / self._std) @ self._rotation, np.float32)


class _Learner:
    """The student, eight classes and none on top of it, and one compiled step."""

    def __init__(self, job: DistillationJob, view: TeacherView, student: Any) -> None:
        import tensorflow as tf

        self._tf, self._job, self._view, self._student = tf, job, view, student
        settings = job.settings
        self._head = tf.keras.Sequential([tf.keras.layers.Dense(N_CLASSES)])
        self._head.build((None, job.spec.n_dimensions))
        self._head.set_weights([view.kernel, view.bias])
        self._variables = student.trainable_variables + self._head.trainable_variables
        n_steps = settings.epochs * -(-settings.n_mixtures // settings.batch_size)
        n_warm_up = min(_WARM_UP_STEPS, max(1, n_steps // 10))
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            0.0, max(1, n_steps - n_warm_up), warmup_target=settings.learning_rate, warmup_steps=n_warm_up
        )
        self._optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay)
        self._step = tf.function(self._trace_step, reduce_retracing=True)
        self._infer = tf.function(lambda batch: student(batch, training=False), reduce_retracing=True)

    def learn(self, lesson: Lesson, sounds: Sounds, validation: Indices) -> None:
        """Go through the lesson as often as the settings say."""
        curve = CurveFile(self._job.curve)
        rng = np.random.default_rng(self._job.seed)
        for epoch in range(self._job.settings.epochs):
            losses = [float(self._step(*batch)) for batch in self._batches(lesson, rng)]
            if not np.isfinite(losses).all():
                raise TrainingError(f"the loss of epoch {epoch + 1} is {losses[-1]}: lower learning_rate")
            curve.add(Epoch(epoch + 1, float(np.mean(losses)), *self._validate(sounds, validation)))

    def _batches(self, lesson: Lesson, rng: np.random.Generator) -> Iterator[tuple[FloatArray, ...]]:
        order = rng.permutation(len(lesson.wanted))
        for start in range(0, len(order), self._job.settings.batch_size):
            part = order[start : start + self._job.settings.batch_size]
            heard = lesson.heard[part].astype(np.float32)[..., np.newaxis]
            yield heard, lesson.wanted[part], lesson.found[part], lesson.targets[part]

    def _trace_step(self, heard: Any, wanted: Any, found: Any, targets: Any) -> Any:
        tf, settings = self._tf, self._job.settings
        with tf.GradientTape() as tape:
            given = self._student(heard, training=True)
            logits = self._head(given)
            cosine = tf.reduce_sum(tf.nn.l2_normalize(given, 1) * tf.nn.l2_normalize(wanted, 1), axis=1)
            of_view = settings.view_weight * tf.reduce_mean((given - wanted) ** 2, axis=1) + 1 - cosine
            of_found = tf.nn.softmax_cross_entropy_with_logits(found, logits)
            # Zeros instead of targets cost nothing.
            of_targets = -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=1)
            loss = tf.reduce_mean(of_view + settings.found_weight * of_found + settings.label_weight * of_targets)
        self._optimizer.apply_gradients(zip(tape.gradient(loss, self._variables), self._variables, strict=True))
        return loss

    def _validate(self, sounds: Sounds, clips: Indices) -> tuple[float, float]:
        """Give the share of the teacher's variance that is missed, and how many clips' classes are found."""
        if not len(clips):
            return float("nan"), float("nan")
        n_frames = _n_frames(self._job)
        cuts = [_cut(sounds.frames[0][clips], start, n_frames) for start in self._view.starts]
        given = [outputs_of(self._infer, cut) for cut in cuts]
        found, wanted = np.stack(given, axis=1), self._view.of_clips[clips]
        missed = ((found - wanted) ** 2).mean() / ((wanted - wanted.mean(axis=(0, 1))) ** 2).mean()
        logits = np.asarray(self._head(found.mean(axis=1)))
        return float(missed), float((logits.argmax(axis=1) == sounds.classes[clips]).mean())


def _student(job: DistillationJob, view: TeacherView, mixed: Mixed) -> Any:
    """Prune the teacher, and fit a dense layer on top to its view."""
    settings = job.settings
    counts = kept_counts(job.teacher, width=settings.width, n_last=settings.n_last)
    windows = mixed.original[..., np.newaxis]
    network = build_network(
        pruned(job.teacher, counts, windows, seed=job.seed), (windows.shape[1], windows.shape[2], 1)
    )
    kernel, bias = ridge(np.asarray(network(windows)), view.of(mixed.original))
    return with_dense(network, kernel, bias, name=job.spec.name)


def _with_last_layer_refitted(student: Any, view: TeacherView, sounds: Sounds, clips: Indices) -> Any:
    """Fit the dense layer anew, by ridge regression: at every level, to the view of the clips without the codec.

    Raises:
        TrainingError: whatever the student hears, the layers below give the same.
    """
    import tensorflow as tf

    body = tf.keras.Model(student.input, student.layers[-2].output)
    call = tf.function(lambda batch: body(batch, training=False), reduce_retracing=True)
    n_frames = student.input.shape[1]
    found, wanted = [], []
    for window, start in enumerate(view.starts):
        heard = clips[sounds.n_heard[clips] > start + n_frames // 2]
        for frames in sounds.frames:
            found.append(outputs_of(call, frames[heard, start : start + n_frames]))
            wanted.append(view.of_clips[heard, window])
    features = np.concatenate(found)
    if not np.ptp(features, axis=0).any():
        raise TrainingError("the training went astray, the student gives the same for all clips: lower learning_rate")
    student.layers[-1].set_weights(ridge(features, np.concatenate(wanted)))
    return student


def _lesson(job: DistillationJob, view: TeacherView, mixer: Mixer) -> Lesson:
    """Draw all mixtures and let the teacher hear them once."""
    n_all = job.settings.n_mixtures
    frontend = job.spec.frontend
    heard = np.empty((n_all, _n_frames(job), frontend.n_mels), np.float16)
    wanted = np.empty((n_all, job.spec.n_dimensions), np.float32)
    targets = np.empty((n_all, N_CLASSES), np.float32)
    for start in range(0, n_all, _DRAWN_AT_ONCE):
        mixed = mixer.draw(min(_DRAWN_AT_ONCE, n_all - start))
        part = slice(start, start + len(mixed.heard))
        heard[part], wanted[part], targets[part] = mixed.heard, view.of(mixed.original), mixed.targets
    return Lesson(heard, wanted, view.found(wanted), targets)


def _classifier(means: FloatArray, sounds: Sounds) -> tuple[FloatArray, FloatArray]:
    """Learn the labelled clips' classes from their means: float32 [n_dimensions, 9] and [9]."""
    from sklearn.linear_model import LogisticRegression

    known = sounds.is_labelled
    if len(set(sounds.classes[known])) < 3:  # of two, scikit-learn gives one row
        raise TrainingError("clips of fewer than three classes are left to distil with: add clips, or change [split]")
    model = LogisticRegression(C=_REGULARISATION_C, class_weight="balanced", max_iter=5_000)
    model.fit(means[known], sounds.classes[known])
    kernel = np.zeros((means.shape[1], N_CLASSES), np.float32)
    bias = np.full(N_CLASSES, -10.0, np.float32)
    kernel[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return kernel, bias


def _n_frames(job: DistillationJob) -> int:
    return job.spec.frontend.n_frames(round(job.spec.window_s * job.spec.frontend.rate_hz))


def _cut(frames: Any, start: int, n_frames: int) -> FloatArray:
    return np.asarray(frames[:, start : start + n_frames], np.float32)
