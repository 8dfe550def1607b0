"""The models to compare with: found by their inputs, run behind their own front ends."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.audio import read_audio, resample
from sonyc_contract.frontend import SONYC_COMPAT, Frontend
from sonyc_tools.bench.peers import Found, Peer, PeerTasks, find_peers
from sonyc_tools.bench.timing import measure
from sonyc_tools.errors import BenchError, ProcessError


@pytest.fixture(scope="module")
def found(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("peers")
    for name in ("yamnet", "sonyc"):
        shutil.copytree(shared_data / "models" / name, folder / name)
    (folder / "broken.tflite").write_bytes(b"no model")
    return find_peers(folder)


@pytest.fixture(scope="module")
def street(shared_data: Path) -> np.ndarray:
    audio = read_audio(shared_data / "sonyc" / "06_002911.wav")
    return resample(audio.samples, audio.rate_hz, 48_000)


def _peer(found: Found, key: str) -> Peer:
    (peer,) = (peer for peer in found.peers if peer.key == key)
    return peer


def test_every_model_is_found_with_its_own_window_and_hop(found: Found) -> None:
    peers = {peer.key: (peer.kind, peer.rate_hz, peer.hop_s, peer.n_dimensions) for peer in found.peers}
    assert peers == {
        "log_mel_statistics": ("log-mel", 16_000, 0.96, 128),
        "yamnet_scores": ("yamnet", 16_000, 0.96, 521),
        "yamnet_scores_logmel": ("yamnet", 16_000, 0.96, 521),
        "sonyc_quantized_default_int8": ("sonyc", 8_000, 1.0, 256),
        "sonyc_cmsis_mels_full_quantized_default_float32": ("sonyc", 8_000, 1.0, 8),
    }


def test_embeddings_are_told_apart(found: Found) -> None:
    assert {peer.key: peer.embedding for peer in found.peers} == {
        "log_mel_statistics": "log-mel",
        "yamnet_scores": "yamnet",
        "yamnet_scores_logmel": "yamnet-scores-logmel",
        "sonyc_quantized_default_int8": "sonyc",
        "sonyc_cmsis_mels_full_quantized_default_float32": "",
    }


def test_what_is_no_model_is_noted(found: Found) -> None:
    (note,) = found.notes
    assert note.startswith("broken.tflite is left out: not a TFLite model that loads")


def test_sonycs_two_files_give_its_eight_classes(found: Found, street: np.ndarray) -> None:
    """The published means over windows of every 0.1 s are 0.53 for alert-signal (4) and 0.65 for human-voice (6)."""
    peer = _peer(found, "sonyc_quantized_default_int8")
    outputs = [peer.model(window) for window in peer.inputs(resample(street, 48_000, 8_000))]
    assert np.shape(outputs) == (10, 8)
    means = np.mean(outputs, axis=0)
    assert set(np.argsort(means)[-2:]) == {4, 6}
    assert means[[4, 6]] == pytest.approx([0.53, 0.65], abs=0.15)


def test_front_end_is_the_models_own(found: Found, street: np.ndarray) -> None:
    at_8k = resample(street, 48_000, 8_000)
    ours = Frontend(SONYC_COMPAT).windows(at_8k, window_s=1.0, hop_s=1.0).transpose(0, 2, 1)
    np.testing.assert_array_equal(_peer(found, "sonyc_quantized_default_int8").inputs(at_8k), ours)


def test_default_delegate_is_found_out(found: Found, street: np.ndarray) -> None:
    tasks = PeerTasks(found.peers, street)
    costs = {cost.peer.key: cost for cost in tasks.costs(measure(tasks.tasks(), n_reps=1, n_warm_up=0))}
    good, bad = (costs[key].delegate_cosine for key in ("yamnet_scores", "yamnet_scores_logmel"))
    assert good is not None
    assert bad is not None
    assert bad < 0.95 < good
    without = costs["yamnet_scores_logmel"].ms_per_s_without_delegate
    assert without is not None
    assert without.median > costs["yamnet_scores_logmel"].ms_per_s.median > 0
    assert costs["log_mel_statistics"].delegate_cosine is None


def test_windows_lie_side_by_side(found: Found) -> None:
    seconds = np.zeros(10 * 16_000, np.float32)
    assert len(_peer(found, "yamnet_scores").inputs(seconds)) == 10
    assert len(_peer(found, "log_mel_statistics").inputs(seconds)) == 10


def test_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds no model that is known here: no TFLite file at all"):
        find_peers(tmp_path)
    with pytest.raises(BenchError, match="no such folder"):
        find_peers(tmp_path / "missing")


def test_keras_weights_that_cannot_be_converted_are_noted(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(shared_data / "models" / "yamnet" / "yamnet_scores.tflite", tmp_path)
    (tmp_path / "sea.h5").write_bytes(b"")

    def missing(*_args: object, **_options: object) -> str:
        raise ProcessError("sonyc-trainer is not installed beside this command")

    monkeypatch.setattr("sonyc_tools.bench.peers.read_program", missing)
    found = find_peers(tmp_path)
    assert [peer.key for peer in found.peers] == ["log_mel_statistics", "yamnet_scores"]
    assert found.notes == ["sea.h5 is left out: sonyc-trainer is not installed beside this command"]
