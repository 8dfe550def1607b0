"""The eight classes in taxonomy order, and the eleven levels."""

from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.errors import LevelError
from sonyc_contract.labels import LABEL_INDEX, LABELS, N_LABELS, by_label
from sonyc_contract.levels import Level, parse_level


def test_labels_are_the_taxonomys(shared_data: Path) -> None:
    taxonomy = (shared_data / "sonyc" / "dcase-ust-taxonomy.yaml").read_text()
    coarse = taxonomy.split("coarse:")[1].split("fine:")[0].splitlines()
    names = [line.split(":")[1].strip() for line in coarse if ":" in line]
    assert tuple(names) == LABELS


def test_index_of_every_label() -> None:
    assert N_LABELS == 8
    assert [LABEL_INDEX[name] for name in LABELS] == list(range(8))


def test_by_label() -> None:
    named = by_label(np.arange(8, dtype=np.float32) / 8)
    assert list(named) == list(LABELS)
    assert named["dog"] == 0.875
    assert {type(value) for value in named.values()} == {float}
    with pytest.raises(ValueError, match="7 values for 8 classes"):
        by_label([0.0] * 7)


def test_levels_in_order() -> None:
    assert list(Level) == ["pcm", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"]


@pytest.mark.parametrize("text", ["v5", "V5", " v5\n"])
def test_level_by_name(text: str) -> None:
    assert parse_level(text) is Level.V5


@pytest.mark.parametrize("text", ["", "5", "v10", "mp3", "level 0"])
def test_unknown_level(text: str) -> None:
    with pytest.raises(LevelError) as caught:
        parse_level(text)
    assert str(caught.value) == f"unknown level {text!r}: use one of {', '.join(Level)}"


def test_what_a_level_says_of_itself() -> None:
    assert (Level.PCM.is_lossy, Level.PCM.suffix) == (False, ".flac")
    assert (Level.V0.is_lossy, Level.V0.suffix, Level.V0.vbr_quality) == (True, ".mp3", "V0")
    with pytest.raises(LevelError, match="has no VBR quality"):
        _ = Level.PCM.vbr_quality
