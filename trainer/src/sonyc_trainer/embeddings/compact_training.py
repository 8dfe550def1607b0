"""Training of `compact`, in a process of its own: eight sigmoids on windows of training clips, then int8."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.labels import N_LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_trainer.conversion import keras_file, to_int8
from sonyc_trainer.deciding import LabelMode, share_right
from sonyc_trainer.embeddings.augmentation import Augmentation
from sonyc_trainer.embeddings.compact_frames import ClipFrames
from sonyc_trainer.embeddings.compact_network import build_network
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.learning import CurveFile, EarlyStopping, Epoch, Indices, balanced_weights, targets
from sonyc_trainer.study import PretrainSettings
from sonyc_trainer.tensorflow_session import tensorflow_session

_N_REPRESENTATIVE = 1_000
_WARM_UP = 0.05
_INFER_BATCH = 256


@dataclass(frozen=True)
class TrainingJob:
    """All that the training process needs.

    Attributes:
        spec: The embedding that is wanted.
        settings: `[pretrain]`.
        labels: How many classes a clip has.
        seed: Of everything random.
        frames: Folders of frames by level, as `make_frames` gives them.
        curve: Where the training curve is written, a line per epoch.
        log: Where TensorFlow's own output goes.
    """

    spec: EmbeddingSpec
    settings: PretrainSettings
    labels: LabelMode
    seed: int
    frames: Mapping[Level, list[Path]]
    curve: Path
    log: Path


def train_compact(job: TrainingJob) -> Embedding:
    """Train the network, take it at its best epoch, and quantise it."""
    with tensorflow_session(seed=job.seed, log=job.log):
        windows = Windows(job)
        trainer = _Trainer(job, windows)
        stopping = EarlyStopping(job.settings.patience)
        curve = CurveFile(job.curve)
        for epoch in range(job.settings.epochs):
            point = trainer.run_epoch(epoch)
            curve.add(point)
            if stopping.is_over(epoch, point.validation_loss, trainer.classifier.get_weights()):
                break
        trainer.classifier.set_weights(stopping.weights)
        model = to_int8(trainer.network, windows.representative())
        return Embedding(job.spec, model, keras_file(trainer.network))


class Windows:
    """Windows of training and validation clips, drawn from frames on the disk."""

    def __init__(self, job: TrainingJob) -> None:
        frontend = job.spec.frontend
        self.n_frames = frontend.n_frames(round(job.spec.window_s * frontend.rate_hz))
        self._n_hop = round(job.spec.hop_s * frontend.rate_hz) // frontend.hop_samples
        self._levels = [ClipFrames(folders) for folders in job.frames.values()]
        self._batch_size = job.settings.batch_size
        self._rng = np.random.default_rng(job.seed)
        first = self._levels[0]
        self.truth = first.truth
        self.training, self.validation = np.flatnonzero(first.is_training), np.flatnonzero(~first.is_training)
        # An epoch draws each clip as often as it holds windows side by side.
        self._drawn: Indices = np.repeat(self.training, first.n_frames[self.training] // self.n_frames)

    @property
    def n_steps(self) -> int:
        """Batches of one epoch."""
        return -(-len(self._drawn) // self._batch_size)

    def batches(self) -> Iterator[tuple[FloatArray, Indices]]:
        """Give an epoch in random order, each window from a random level and place: float32 [n, n_frames, n_mels]."""
        order = self._rng.permutation(self._drawn)
        for start in range(0, len(order), self._batch_size):
            clips = order[start : start + self._batch_size]
            yield np.stack([self._random_window(int(clip)) for clip in clips]), clips

    def validation_batches(self) -> Iterator[tuple[FloatArray, Indices]]:
        """Give the windows of the validation clips as a node cuts them; levels take turns from clip to clip."""
        places = [
            (int(clip), index % len(self._levels), start)
            for index, clip in enumerate(self.validation)
            for start in self._starts(int(clip))
        ]
        for first in range(0, len(places), _INFER_BATCH):
            part = places[first : first + _INFER_BATCH]
            windows = [self._levels[level].window(clip, start, self.n_frames) for clip, level, start in part]
            yield np.stack(windows), np.array([clip for clip, _, _ in part])

    def representative(self) -> FloatArray:
        """Give training windows over which int8's ranges are measured: float32 [n, n_frames, n_mels, 1]."""
        rng = np.random.default_rng(0)
        step = -(-len(self._drawn) // _N_REPRESENTATIVE)
        clips = self._drawn[::step]
        windows = [
            self._levels[index % len(self._levels)].window(int(clip), self._start(rng, int(clip)), self.n_frames)
            for index, clip in enumerate(clips)
        ]
        return np.stack(windows)[..., np.newaxis]

    def _random_window(self, clip: int) -> FloatArray:
        level = self._levels[self._rng.integers(len(self._levels))]
        return level.window(clip, self._start(self._rng, clip), self.n_frames)

    def _start(self, rng: np.random.Generator, clip: int) -> int:
        return int(rng.integers(self._levels[0].n_frames[clip] - self.n_frames + 1))

    def _starts(self, clip: int) -> range:
        return range(0, int(self._levels[0].n_frames[clip]) - self.n_frames + 1, self._n_hop)


class _Trainer:
    """The network with eight outputs on top, its optimiser, and one compiled step."""

    def __init__(self, job: TrainingJob, windows: Windows) -> None:
        import tensorflow as tf

        self._tf, self._windows, self._labels = tf, windows, job.labels
        settings, frontend = job.settings, job.spec.frontend
        self.network = build_network(
            (windows.n_frames, frontend.n_mels, 1), n_channels=settings.n_channels, n_dimensions=settings.n_dimensions
        )
        layers = [self.network, tf.keras.layers.Dropout(settings.dropout), tf.keras.layers.Dense(N_LABELS)]
        self.classifier = tf.keras.Sequential(layers)
        self._optimizer = tf.keras.optimizers.AdamW(
            _schedule(tf, settings, windows.n_steps), weight_decay=settings.weight_decay
        )
        self._targets = targets(windows.truth)
        self._weights = np.zeros(len(windows.truth), np.float32)
        for clips in (windows.training, windows.validation):
            self._weights[clips] = balanced_weights(windows.truth[clips])
        self._augment = Augmentation(settings.augment, frontend.floor)
        self._step = tf.function(self._trace_step, reduce_retracing=True)
        self._infer = tf.function(lambda batch: self.classifier(batch, training=False), reduce_retracing=True)

    def run_epoch(self, epoch: int) -> Epoch:
        """Train for one epoch and validate."""
        losses = [
            float(self._step(batch, self._targets[clips], self._weights[clips]))
            for batch, clips in self._windows.batches()
        ]
        loss, accuracy = self._validate()
        return Epoch(epoch + 1, float(np.mean(losses)), loss, accuracy)

    def _trace_step(self, batch: Any, batch_targets: Any, weights: Any) -> Any:
        tf = self._tf
        batch, batch_targets = self._augment(batch, batch_targets)
        with tf.GradientTape() as tape:
            logits = self.classifier(batch[..., tf.newaxis], training=True)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(batch_targets, logits)
            loss = tf.reduce_mean(weights * tf.reduce_sum(losses, axis=1))
        variables = self.classifier.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def _validate(self) -> tuple[float, float]:
        """Give the class-balanced loss and the accuracy of clips, their windows' logits averaged."""
        sums = np.zeros((len(self._targets), N_LABELS))
        counts = np.zeros((len(self._targets), 1))
        for batch, clips in self._windows.validation_batches():
            np.add.at(sums, clips, np.asarray(self._infer(batch[..., np.newaxis])))
            np.add.at(counts, clips, 1)
        chosen = self._windows.validation
        logits, wanted = sums[chosen] / counts[chosen], self._targets[chosen]
        losses = np.logaddexp(0, logits) - wanted * logits
        accuracy = share_right(logits, self._windows.truth[chosen], self._labels)
        return float(np.mean(self._weights[chosen] * losses.sum(axis=1))), accuracy


def _schedule(tf: Any, settings: PretrainSettings, n_steps: int) -> Any:
    """Warm up, then follow a cosine down to 0 at the last epoch."""
    n_all = settings.epochs * n_steps
    n_warm_up = max(1, round(_WARM_UP * n_all))
    return tf.keras.optimizers.schedules.CosineDecay(
        0.0, n_all - n_warm_up, warmup_target=settings.learning_rate, warmup_steps=n_warm_up
    )
