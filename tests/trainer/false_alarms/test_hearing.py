"""Listening to background: what is heard is what a node hears, of made clips, of recordings and of stored clips."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonyc_contract.audio import from_int16
from sonyc_contract.bundle import pack_bundle, read_bundle
from sonyc_contract.codec import encode
from sonyc_contract.errors import LevelError
from sonyc_contract.levels import Level
from sonyc_contract.messages import dump_message
from sonyc_device.classification import Classifier
from sonyc_trainer.errors import AlarmError
from sonyc_trainer.false_alarms.hearing import MADE, Heard, Listener, listen
from sonyc_trainer.scenes.made_background import made_background
from sonyc_trainer.scenes.settings import BackgroundConfig
from support.signals import noise
from support.stage_runs import QUIET
from support.stored_clips import sidecar_of

TWO_CLIPS = BackgroundConfig(hours=0.0056, seed=5)


def only(heard: tuple[Heard, ...]) -> Heard:
    assert len(heard) == 1
    return heard[0]


def write(path: Path, duration_s: float, *, rate_hz: int = 16_000, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(round(duration_s * rate_hz)), rate_hz)
    return path


def test_made_background_is_heard_as_by_a_node(default_bundle: Path) -> None:
    found = listen(Listener(default_bundle, (Level.PCM, Level.V9)), TWO_CLIPS, [], QUIET)
    node = Classifier(read_bundle(default_bundle))
    clips = [from_int16(made_background(index, TWO_CLIPS)) for index in range(2)]
    expected = {
        Level.PCM: [node.score_raw(clip, 44_100) for clip in clips],
        Level.V9: [node.score_encoded(node.encode(clip, 44_100, level=Level.V9), level=Level.V9) for clip in clips],
    }
    assert [(heard.source, heard.level, heard.duration_s) for heard in found.heard] == [
        (MADE, Level.PCM, 20.0),
        (MADE, Level.V9, 20.0),
    ]
    for heard in found.heard:
        np.testing.assert_array_equal(heard.probabilities, [one.probabilities for one in expected[heard.level]])


@pytest.mark.parametrize(
    ("duration_s", "n_clips", "heard_s"), [(25.0, 3, 25.0), (20.5, 2, 20.0), (0.4, 1, 0.4), (10.0, 1, 10.0)]
)
def test_recordings_are_cut_into_clips(
    default_bundle: Path, tmp_path: Path, duration_s: float, n_clips: int, heard_s: float
) -> None:
    write(tmp_path / "site" / "night" / "a.wav", duration_s)
    heard = only(listen(Listener(default_bundle, (Level.PCM,)), None, [tmp_path / "site"], QUIET).heard)
    assert (heard.source, heard.probabilities.shape) == (str(tmp_path / "site"), (n_clips, 8))
    assert heard.duration_s == pytest.approx(heard_s)


def test_recording_is_heard_as_by_a_node(default_bundle: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", 3.0)
    heard = only(listen(Listener(default_bundle, (Level.V5,)), None, [tmp_path], QUIET).heard)
    expected = Classifier(read_bundle(default_bundle)).score_file(path, level=Level.V5).scores
    np.testing.assert_array_equal(heard.probabilities[0], expected.probabilities)


def test_stored_clip_is_heard_at_its_own_level(default_bundle: Path, tmp_path: Path) -> None:
    data = encode(noise(2.0, 48_000), 48_000, level=Level.V9)
    sidecar = sidecar_of(data, 1)
    path = tmp_path / str(sidecar.audio_file)
    path.write_bytes(data)
    path.with_suffix(".json").write_bytes(dump_message(sidecar))
    heard = only(listen(Listener(default_bundle, (Level.PCM,)), None, [tmp_path], QUIET).heard)
    assert heard.level is Level.V9
    expected = Classifier(read_bundle(default_bundle)).score_file(path).scores
    np.testing.assert_array_equal(heard.probabilities[0], expected.probabilities)


def test_what_cannot_be_read_is_left_out_and_named(default_bundle: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 1.0)
    (tmp_path / "b.wav").write_bytes(b"no audio at all, but long enough to look at")
    found = listen(Listener(default_bundle, (Level.PCM,)), None, [tmp_path], QUIET)
    assert len(only(found.heard).probabilities) == 1
    assert len(found.unread) == 1
    assert str(tmp_path / "b.wav") in found.unread[0]


def test_folders_without_audio_are_refused(default_bundle: Path, tmp_path: Path) -> None:
    listener = Listener(default_bundle, (Level.PCM,))
    with pytest.raises(AlarmError, match="is not a folder"):
        listen(listener, None, [tmp_path / "none"], QUIET)
    with pytest.raises(AlarmError, match="holds no audio"):
        listen(listener, None, [tmp_path], QUIET)
    (tmp_path / "b.wav").write_bytes(b"")
    with pytest.raises(AlarmError, match="none of 1 files could be read, the first because: "):
        listen(listener, None, [tmp_path], QUIET)


def test_level_without_a_head_is_refused_before_anything_is_heard(tmp_path: Path, default_bundle: Path) -> None:
    bundle = read_bundle(default_bundle)
    manifest = bundle.manifest.model_copy(update={"heads": {"pcm": bundle.manifest.heads["pcm"]}})
    members = {name: data for name, data in bundle.members.items() if not name.startswith("head-") or "pcm" in name}
    (tmp_path / "one.bundle").write_bytes(pack_bundle(manifest, members))
    with pytest.raises(LevelError, match="no head for level 'v5'"):
        listen(Listener(tmp_path / "one.bundle", (Level.V5,)), TWO_CLIPS, [], QUIET)
