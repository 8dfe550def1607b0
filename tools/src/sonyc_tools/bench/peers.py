"""The models to compare with: each with its own window, hop and front end, and the same resampler as ours."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray, resample
from sonyc_contract.errors import ModelError
from sonyc_contract.frontend import COMPACT, EDGEL3_SEA, SONYC_COMPAT, Frontend, FrontendSpec
from sonyc_contract.labels import N_LABELS
from sonyc_tools.bench.graphs import n_macs, open_litert
from sonyc_tools.bench.scenes import RATE_HZ
from sonyc_tools.bench.timing import Estimate, Task, Times
from sonyc_tools.errors import BenchError, ProcessError
from sonyc_tools.programs import read_program

KERAS_SUFFIXES: Final = (".h5", ".h5.gz")
LOG_MEL: Final = "log-mel statistics"

_YAMNET_RATE_HZ: Final = 16_000
_YAMNET_WINDOW: Final = 15_600
_YAMNET_HOP_S: Final = 0.96
_WINDOW_S: Final = 1.0
_SONYC_DIMENSIONS: Final = 256

Model = Callable[[FloatArray], FloatArray]
"""A window's input, without batch axis, to its output [n]."""


@dataclass(frozen=True)
class Peer:
    """A model to compare with.

    Attributes:
        name: The file's, such as `yamnet_scores_logmel`.
        kind: What it is for the yardstick: `yamnet`, `sonyc`, `edgel3-sea` or `log-mel`.
        path: Its file; None for one that has none.
        rate_hz: The rate that it takes.
        hop_s: From window to window; the windows do not overlap.
        inputs: Gives a clip's inputs at `rate_hz`, window by window.
        model: As ai-edge-litert runs it by default.
        checked: The same without the default delegate; None where it is not asked for.
        macs_per_window: Multiplications.
        n_bytes: Size of its files.
        n_dimensions: Size of what its own file gives.
        embedding: What the yardstick calls its embedding: its kind, or for further files of a kind their own name.
            Empty for a file that gives classes and no embedding.
    """

    name: str
    kind: str
    path: Path | None
    rate_hz: int
    hop_s: float
    inputs: Callable[[FloatArray], Sequence[FloatArray] | FloatArray]
    model: Model
    checked: Model | None
    macs_per_window: int
    n_bytes: int
    n_dimensions: int
    embedding: str = ""

    @property
    def macs_per_s(self) -> float:
        """Multiplications per second of audio."""
        return self.macs_per_window / self.hop_s

    @property
    def key(self) -> str:
        """Its name in JSON keys, such as `yamnet_scores_logmel`."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")


@dataclass(frozen=True)
class PeerCost:
    """What a peer costs per second of audio at 48 kHz, resampling and front end included, one thread.

    Attributes:
        peer: Which.
        ms_per_s: Processor time with the runtime's default delegate.
        ms_per_s_without_delegate: Without it.
        delegate_cosine: Median cosine between the outputs of both; far from 1, the delegate computes something else.
    """

    peer: Peer
    ms_per_s: Estimate
    ms_per_s_without_delegate: Estimate | None
    delegate_cosine: float | None


@dataclass(frozen=True)
class Found:
    """What is in the folder of peers, and what of it was left out, in words."""

    peers: Sequence[Peer]
    notes: Sequence[str] = field(default_factory=list)


def find_peers(folder: Path) -> Found:
    """Open every model in a folder that has a known input: YAMNet, SONYC's, SEA; Keras weights are converted first.

    Raises:
        BenchError: no folder, or nothing in it is such a model.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder; --peers takes one with TFLite files")
    peers, notes = [_log_mel()], list[str]()
    files = sorted(path for path in folder.rglob("*") if path.name.endswith((".tflite", *KERAS_SUFFIXES)))
    loaded = {path: data for path in files for data in _read(path, notes)}
    heads = [data for data in loaded.values() if _input_shape(data)[-1:] == (_SONYC_DIMENSIONS,)]
    for path, data in loaded.items():
        if data not in heads:
            peers += _peer(path, data, heads[0] if heads else None, notes)
    if len(peers) == 1:
        raise BenchError(f"{folder}: holds no model that is known here: {'; '.join(notes) or 'no TFLite file at all'}")
    return Found(_named_apart(peers, folder), notes)


class PeerTasks:
    """The tasks that peers are measured with."""

    def __init__(self, peers: Sequence[Peer], long: FloatArray) -> None:
        self._peers, self._long = peers, long

    def tasks(self) -> dict[str, Task]:
        """Give one task per peer, and one more without the delegate."""
        tasks: dict[str, Task] = {}
        for peer in self._peers:
            tasks[peer.name] = partial(self._run, peer, peer.model)
            if peer.checked is not None:
                tasks[f"{peer.name} (checked)"] = partial(self._run, peer, peer.checked)
        return tasks

    def costs(self, times: Mapping[str, Times]) -> list[PeerCost]:
        """Say what was measured."""
        factor = 1_000 / (len(self._long) / RATE_HZ)
        found = []
        for peer in self._peers:
            without = times.get(f"{peer.name} (checked)")
            found.append(
                PeerCost(
                    peer,
                    times[peer.name].cpu.scaled(factor),
                    without.cpu.scaled(factor) if without else None,
                    self._cosine(peer),
                )
            )
        return found

    def _run(self, peer: Peer, model: Model, _rep: int = 0) -> list[FloatArray]:
        return [model(window) for window in peer.inputs(resample(self._long, RATE_HZ, peer.rate_hz))]

    def _cosine(self, peer: Peer) -> float | None:
        if peer.checked is None:
            return None
        pairs = zip(self._run(peer, peer.model), self._run(peer, peer.checked), strict=True)
        return float(np.median([_cosine(one, other) for one, other in pairs]))


def _read(path: Path, notes: list[str]) -> Iterator[bytes]:
    """Give a file's TFLite model, if it can be made one."""
    try:
        data = _converted(path) if path.name.endswith(KERAS_SUFFIXES) else path.read_bytes()
        _input_shape(data)
    except (OSError, ModelError, ProcessError) as error:
        notes.append(f"{path.name} is left out: {error}")
    else:
        yield data


def _converted(path: Path) -> bytes:
    with TemporaryDirectory(prefix="sonyc-bench-") as folder:
        output = Path(folder) / "sea.tflite"
        read_program("sonyc-trainer", ["convert-sea", path, "--out", output], stderr_to=Path(folder) / "log")
        return output.read_bytes()


def _input_shape(data: bytes) -> tuple[int, ...]:
    (tensor, *_) = open_litert(data, with_delegate=False).get_input_details()
    return tuple(map(int, tensor["shape"]))


def _peer(path: Path, data: bytes, head: bytes | None, notes: list[str]) -> Iterator[Peer]:
    shape = _input_shape(data)
    stem = path.name.split(".")[0]
    if shape[-1] == _YAMNET_WINDOW:
        yield Peer(
            stem, "yamnet", path, _YAMNET_RATE_HZ, _YAMNET_HOP_S, _waveforms, _opened(data, with_delegate=True),
            _opened(data, with_delegate=False), n_macs(data), len(data), _output_size(data),
        )  # fmt: skip
    elif spec := _SPECTROGRAMS.get(shape[1:]):
        models = [data, head] if head is not None and _output_size(data) == _SONYC_DIMENSIONS else [data]
        kind = "edgel3-sea" if spec is EDGEL3_SEA else "sonyc"
        yield Peer(
            stem, kind, path, spec.rate_hz, _WINDOW_S, partial(_spectrograms, Frontend(spec)),
            _chain([_opened(model, with_delegate=True) for model in models]), None, sum(map(n_macs, models)),
            sum(map(len, models)), _output_size(data),
        )  # fmt: skip
    else:
        notes.append(f"{path.name} is left out: it takes {shape}, which is no front end of the models known here")


def _log_mel() -> Peer:
    """Means and deviations of mel bands: what a classifier without any embedding would have."""

    def statistics(window: FloatArray) -> FloatArray:
        return np.concatenate([window.mean(axis=0), window.std(axis=0)])

    def inputs(samples: FloatArray) -> FloatArray:
        return Frontend(COMPACT).windows(samples, window_s=0.975, hop_s=_YAMNET_HOP_S)

    return Peer(
        LOG_MEL, "log-mel", None, COMPACT.rate_hz, _YAMNET_HOP_S, inputs, statistics, None, 0, 0, 2 * COMPACT.n_mels
    )


_SPECTROGRAMS: Final[dict[tuple[int, ...], FrontendSpec]] = {
    (spec.n_mels, spec.n_frames(spec.rate_hz), 1): spec for spec in (SONYC_COMPAT, EDGEL3_SEA)
}
"""Front ends by the input, [n_mels, n_frames, 1], that one second of them makes."""


def _waveforms(samples: FloatArray) -> list[FloatArray]:
    hop = round(_YAMNET_HOP_S * _YAMNET_RATE_HZ)
    return [samples[start : start + _YAMNET_WINDOW] for start in range(0, len(samples) - _YAMNET_WINDOW + 1, hop)]


def _spectrograms(frontend: Frontend, samples: FloatArray) -> FloatArray:
    windows = frontend.windows(samples, window_s=_WINDOW_S, hop_s=_WINDOW_S)
    return np.ascontiguousarray(windows.transpose(0, 2, 1))


def _opened(data: bytes, *, with_delegate: bool) -> Model:
    interpreter: Any = open_litert(data, with_delegate=with_delegate)
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(window: FloatArray) -> FloatArray:
        interpreter.set_tensor(taken["index"], window.reshape(taken["shape"]))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given["index"])).reshape(-1)

    return run


def _chain(models: Sequence[Model]) -> Model:
    def run(window: FloatArray) -> FloatArray:
        for model in models:
            window = model(window)
        return window

    return run


def _output_size(data: bytes) -> int:
    return int(open_litert(data, with_delegate=False).get_output_details()[0]["shape"][-1])


def _named_apart(peers: Sequence[Peer], folder: Path) -> list[Peer]:
    """Put the folder's name before a file's, where it says more: `sonyc_quantized_default_int8`; name embeddings."""
    found: list[Peer] = []
    for peer in peers:
        parent = "" if peer.path is None or peer.path.parent == folder else peer.path.parent.name
        named = replace(peer, name=peer.name if peer.name.startswith(parent) else f"{parent}_{peer.name}")
        if peer.n_dimensions > N_LABELS:
            is_first = peer.kind not in {one.embedding for one in found}
            named = replace(named, embedding=peer.kind if is_first else named.key.replace("_", "-")[:40])
        found.append(named)
    return found


def _cosine(one: FloatArray, other: FloatArray) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size else float(np.array_equal(one, other))
