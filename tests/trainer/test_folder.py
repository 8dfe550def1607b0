"""Which head of a study serves which level."""

from pathlib import Path

import pytest

from sonyc_contract.levels import Level
from sonyc_trainer.errors import StageError
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


def test_results_do_not_lie_among_the_recordings(tmp_path: Path) -> None:
    """The next run would take them for recordings of a class."""
    inside = StudyFolder(tmp_path / "audio" / "out" / "small", small_study(tmp_path / "audio"))
    with (
        pytest.raises(
            StageError, match=r"lies in the folder of dataset 'tones', .*, whose folders are classes: .* --out"
        ),
        inside.locked(),
    ):
        pass
    assert not (tmp_path / "audio").exists()
