"""Which head of a study serves which level."""

from pathlib import Path

import pytest

from sonyc_contract.levels import Level
from sonyc_trainer.folder import StudyFolder
from support.small_study import small_study


@pytest.mark.parametrize(
    ("levels", "robust", "expected"),
    [
        (["pcm", "v5"], True, {"pcm": ["pcm"], "v5": ["v5"], "any": ["v9"]}),
        (["pcm", "v5", "v9"], True, {"pcm": ["pcm"], "v5": ["v5"], "v9": ["v9"], "any": ["pcm", "v5", "v9"]}),
        (["v5"], False, {"v5": ["v5"]}),
    ],
)
def test_levels_of_each_head(tmp_path: Path, levels: list[str], robust: bool, expected: dict[str, list[str]]) -> None:
    folder = StudyFolder(tmp_path, small_study(tmp_path, train={"levels": levels, "robust": robust}))
    assert {
        name: [Level(level).value for level in folder.levels_served(name)] for name in folder.head_names
    } == expected
