"""A teacher small enough for a test: YAMNet's layers in few channels, behind a front end like its own, untrained."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sonyc_contract.frontend import COMPACT
from sonyc_trainer.distillation.network import build_network
from sonyc_trainer.distillation.pruning import pruned
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.tensorflow_session import tensorflow_session
from support.small_study import N_CLIPS, N_GROUPS, RATE_HZ

WINDOW_SAMPLES = 15_600
N_FRAMES, N_MELS = 96, 64
N_CHANNELS = (8, 8, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 128, 128)
"""TensorFlow makes int8 of weights of more than 1,024 numbers: here of the last three layers, one of them depthwise."""

N_CLASSES = 5

FOLD_PATTERN = r"^(?P<fold>\d+)-(?P<source>\d+)-"
N_FOLDS = 4


def random_layers(*, has_twins: bool = False) -> list[Layer]:
    """Give layers that tell textures apart; with twins, half of their channels are the others over again.

    The first layer finds edges; those after it pass on most of what they are given: otherwise so deep a random network
    makes the same of everything.
    """
    rng = np.random.default_rng(1)
    share = 2 if has_twins else 1

    def layer(kernel: np.ndarray, *, is_depthwise: bool = False) -> Layer:
        axis = 2 if is_depthwise else 3
        bias = rng.uniform(0, 0.1, kernel.shape[axis])
        if has_twins:
            # Half as strong, which a ReLU leaves so.
            kernel = np.concatenate([kernel, kernel if is_depthwise else 0.5 * kernel], axis=axis)
            bias = np.concatenate([bias, 0.5 * bias])
        return Layer(kernel.astype(np.float32), bias.astype(np.float32), is_depthwise)

    def edges(n: int) -> Layer:
        kernel = rng.normal(0, 0.5, (3, 3, 1, n // share))
        return layer(kernel - kernel.mean(axis=(0, 1, 2)))

    def depthwise(n: int) -> Layer:
        kernel = rng.normal(0, 0.2, (3, 3, n // share, 1))
        kernel[1, 1] += 1
        return layer(kernel, is_depthwise=True)

    def pointwise(n_in: int, n_out: int) -> Layer:
        kernel = rng.normal(0, np.sqrt(0.2 / n_in), (1, 1, n_in, n_out // share))
        passed_on = np.eye(n_in // share, n_out // share)[np.arange(n_in) % (n_in // share)]
        kernel[0, 0] += passed_on / (1.5 if has_twins else 1)
        return layer(kernel)

    layers = [edges(N_CHANNELS[0])]
    for before, after in pairwise(N_CHANNELS):
        layers += [depthwise(before), pointwise(before, after)]
    return layers


def converted(layers: list[Layer], kind: str, *, log: Path) -> bytes:
    """Convert a classifier of waveforms with these layers to TFLite, with weights in `float32`, `float16` or `int8`."""
    with tensorflow_session(seed=1, log=log) as tf:
        inputs = tf.keras.Input((WINDOW_SAMPLES,))
        embedded = build_network(layers, (N_FRAMES, N_MELS, 1))(_log_mel(tf, inputs))
        scores = tf.keras.layers.Dense(N_CLASSES, activation="sigmoid")(embedded)
        converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(inputs, scores))
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


def outputs(layers: list[Layer], windows: np.ndarray, *, log: Path) -> np.ndarray:
    """Give what the network of some layers makes of float32 [n, n_frames, n_mels, 1]."""
    with tensorflow_session(seed=1, log=log):
        return np.asarray(build_network(layers, (windows.shape[1], windows.shape[2], 1))(windows))


def write_textures(folder: Path) -> Path:
    """Write 48 clips of 2 s of three classes, in four folds: steady tones, noise, and clicks in silence.

    A teacher that averages over mels tells textures apart, but not pitches. Recording 1 is of fold 1, but for one clip
    of fold 0.
    """
    for label in ("music", "engine", "dog"):
        (folder / label).mkdir(parents=True)
        for group in range(N_GROUPS):
            for clip in range(N_CLIPS):
                rng = np.random.default_rng([group, clip, len(label)])
                samples = 0.2 * rng.uniform(0.3, 1.0) * _texture(label, rng) + 1e-4 * rng.standard_normal(2 * RATE_HZ)
                fold = 0 if (group, clip) == (1, 1) else group % N_FOLDS
                soundfile.write(folder / label / f"{fold}-{group}-{clip}.wav", samples, RATE_HZ)
    return folder


def _texture(label: str, rng: np.random.Generator) -> np.ndarray:
    times_s = np.arange(2 * RATE_HZ) / RATE_HZ
    if label == "music":
        return np.sum([np.sin(2 * np.pi * rng.uniform(200, 4_000) * times_s) for _ in range(4)], axis=0) / 4
    noise = rng.standard_normal(len(times_s))
    if label == "engine":
        return 0.5 * noise
    since_click_s = (times_s + rng.uniform(0, 0.2)) % rng.uniform(0.15, 0.25)
    return noise * np.exp(-since_click_s / 0.01)


def pruned_layers(layers: list[Layer], n_channels: list[int], windows: np.ndarray, *, log: Path) -> list[Layer]:
    """Prune with a seed of its own."""
    with tensorflow_session(seed=1, log=log):
        return pruned(layers, n_channels, windows, seed=1)


def _log_mel(tf: Any, waveform: Any) -> Any:
    """Something like log-mel, made of what becomes neither a convolution nor unknown to TFLite."""
    times = np.arange(COMPACT.window_samples)
    places = COMPACT.hop_samples * np.arange(N_FRAMES)[:, np.newaxis] + times
    phases = 2 * np.pi / COMPACT.rate_hz * np.outer(times, np.geomspace(125, 7_500, N_MELS))
    hann = np.hanning(len(times))[:, np.newaxis]
    frames = tf.gather(waveform, places, axis=1)
    sine, cosine = (tf.matmul(frames, (hann * wave(phases)).astype(np.float32)) for wave in (np.sin, np.cos))
    return tf.math.log(tf.sqrt(sine**2 + cosine**2) + COMPACT.floor)[..., tf.newaxis]
