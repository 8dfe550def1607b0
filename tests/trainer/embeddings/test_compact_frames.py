"""Frames of whole clips give the windows that a node cuts."""

from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.audio import resample
from sonyc_contract.codec import encode, round_trip
from sonyc_contract.frontend import COMPACT, Frontend
from sonyc_contract.levels import Level
from sonyc_trainer.embeddings.compact import WINDOW_S, CompactEmbedding
from sonyc_trainer.embeddings.compact_frames import ClipFrames, CodedClip, make_frames, write_frames
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.shards import Shard
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import CODED, read_table
from support.stage_runs import QUIET

RATE_HZ = 48_000
DURATIONS_S = (2.5, 0.4, 1.0)


@pytest.fixture
def clips(tmp_path: Path) -> list[np.ndarray]:
    """Noise of several lengths, one shorter than a window."""
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(round(RATE_HZ * seconds))).astype(np.float32) for seconds in DURATIONS_S]


@pytest.fixture
def frames(clips: list[np.ndarray], tmp_path: Path) -> ClipFrames:
    coded = []
    for index, (samples, split) in enumerate(zip(clips, ("train", "validation", "train"), strict=True)):
        path = tmp_path / f"{index}.mp3"
        path.write_bytes(encode(samples, RATE_HZ, level=Level.V5))
        coded.append(CodedClip(path, ["dog"], split, COMPACT, round(WINDOW_S * COMPACT.rate_hz)))
    shards = [Shard(tmp_path / "0000", tuple(coded[:2])), Shard(tmp_path / "0001", tuple(coded[2:]))]
    assert [write_frames(shard) for shard in shards] == [2, 1]
    return ClipFrames([shard.folder for shard in shards])


def test_windows_are_those_of_the_node(clips: list[np.ndarray], frames: ClipFrames) -> None:
    n_frames = COMPACT.n_frames(round(WINDOW_S * COMPACT.rate_hz))
    assert n_frames == 96
    for clip, samples in enumerate(clips):
        at_rate = resample(round_trip(samples, RATE_HZ, level=Level.V5), RATE_HZ, COMPACT.rate_hz)
        windows = Frontend(COMPACT).windows(at_rate, window_s=WINDOW_S, hop_s=0.96)
        for index, window in enumerate(windows):
            np.testing.assert_allclose(frames.window(clip, 96 * index, n_frames), window, atol=1e-5)


def test_splits_and_lengths(frames: ClipFrames) -> None:
    assert frames.is_training.tolist() == [True, False, True]
    assert frames.n_frames.tolist() == [248, 96, 98]
    assert frames.truth.argmax(axis=1).tolist() == [7, 7, 7]


def test_test_clips_are_not_among_them(finished: StudyFolder, tmp_path: Path) -> None:
    spec = CompactEmbedding(finished.study).spec
    coded = read_table(finished.coded(Level.PCM), CODED)
    splits = coded["split"]
    made = make_frames(linked(finished, tmp_path / "all"), [Level.PCM, Level.V9], spec, context=QUIET)
    assert list(made) == [Level.PCM, Level.V9]
    for folders in made.values():
        is_training = ClipFrames(folders).is_training
        assert is_training.tolist() == [split == "train" for split in splits if split != "test"]
        assert len(is_training) < len(splits)
    without = set(coded["clip_id"][::3])
    fewer = make_frames(
        linked(finished, tmp_path / "fewer"), [Level.PCM, Level.V9], spec, context=QUIET, without=without
    )
    stay = coded[(splits != "test") & ~coded["clip_id"].isin(without)]
    for folders in fewer.values():
        assert ClipFrames(folders).is_training.tolist() == (stay["split"] == "train").tolist()


def linked(finished: StudyFolder, root: Path) -> StudyFolder:
    """A folder with the coded clips of another."""
    root.mkdir()
    (root / finished.of(Stage.COMPRESS).name).symlink_to(finished.of(Stage.COMPRESS))
    return StudyFolder(root, finished.study)
