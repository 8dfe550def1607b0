"""The study's TOML: what is wrong is said with file, key and value."""

import tomllib
from pathlib import Path

import pytest

from sonyc_contract.errors import ConfigError
from sonyc_trainer.study import load_study

FOLDERS = """
name = "s"
[[dataset]]
name = "mine"
format = "class-folders"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('path = "."\ncolour = "red"', r"unknown key 'dataset.0.colour'"),
        ('path = "."\n[trim]\nkeep = 2', r"unknown key 'trim.keep'"),
        ('path = "."\n[trim]\nkeep_s = "long"', r"key 'trim.keep_s': .*'long'"),
        ('path = "."\n[trim]\nkeep_s = -1', r"key 'trim.keep_s': .*-1"),
        ('path = "."\n[compress]\nlevels = ["v10"]', r"key 'compress.levels.0': .*'v10'"),
        ('path = "."\n[compress]\nstorage_rate_hz = 22050', r"storage_rate_hz must be one of 16000"),
        ('path = "."\n[compress]\nlevels = ["pcm", "pcm"]', r"key 'compress.levels': holds one level twice"),
        ('path = "."\n[pretrain]\nlevels = ["pcm", "pcm"]', r"key 'pretrain.levels': holds one level twice"),
        ('path = "."\n[train]\nlevels = ["v5", "v5"]', r"key 'train.levels': holds one level twice"),
        ('path = "."\n[pretrain]\nlevels = []', r"key 'pretrain.levels': needs at least one level"),
        ('path = "."\n[embedding]\nhop_s = 0.955', r"hop_s of 'compact' must be a multiple of 0.01 s"),
        ('path = "."\n[split]\nmode = "folds"', r"'test_folds' belongs to mode 'folds', which needs at least one"),
        ('path = "."\n[split]\ntest_folds = [1]', r"'test_folds' belongs to mode 'folds'"),
        ('path = "."\n[split]\ntest_fraction = 0.9', r"leave nothing to train on"),
        ('path = "."\n[train]\nlevels = ["v1"]', r"train.levels has 'v1', which compress.levels lacks"),
        ('path = "."\nfile_pattern = "("', r"key 'dataset.0.file_pattern': not a regular expression"),
        ('path = "."\nfile_pattern = "x"', r"needs the named groups"),
        ("path = \".\"\nfile_pattern = '(?P<take>.)'", r"needs the named groups"),
        ('path = "."\n[dataset.classes]\nhund = "dogs"', r"class 'dogs' is none of SONYC's"),
        ('path = "."\n[dataset.scenes]\nn_clips = 3', r"'scenes' belongs to format 'scenes'"),
        ("path = [", r"not a TOML file"),
    ],
)
def test_bad_study_names_file_key_and_value(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, FOLDERS + text)
    with pytest.raises(ConfigError, match=message) as error:
        load_study(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert ";" not in str(error.value)  # one mistake, one complaint


def test_fold_split_does_not_mind_the_test_fraction(tmp_path: Path) -> None:
    text = FOLDERS + 'path = "."\n[split]\nmode = "folds"\ntest_folds = [1]\nvalidation_fraction = 0.85'
    assert load_study(write(tmp_path, text)).split.validation_fraction == 0.85


@pytest.mark.parametrize("dataset_format", ["sonyc-ust", "urbansound8k"])
def test_pattern_belongs_to_class_folders(tmp_path: Path, dataset_format: str) -> None:
    text = FOLDERS.replace("class-folders", dataset_format) + "file_pattern = '(?P<source>.)'"
    with pytest.raises(ConfigError, match="'file_pattern' belongs to format 'class-folders'"):
        load_study(write(tmp_path, text))


def test_classes_do_not_belong_to_sonyc_ust(tmp_path: Path) -> None:
    text = FOLDERS.replace("class-folders", "sonyc-ust") + '[dataset.classes]\ndog = "dog"'
    with pytest.raises(ConfigError, match="'classes' belongs to formats 'urbansound8k' and 'class-folders'"):
        load_study(write(tmp_path, text))


def test_two_datasets_of_one_name_are_refused(tmp_path: Path) -> None:
    text = FOLDERS + '[[dataset]]\nname = "mine"\nformat = "class-folders"'
    with pytest.raises(ConfigError, match="two datasets have the same name"):
        load_study(write(tmp_path, text))


def test_something_must_be_judged(tmp_path: Path) -> None:
    text = FOLDERS + 'path = "."\nonly_trains = true\n'
    with pytest.raises(ConfigError, match="every dataset has 'only_trains': leave it out of one, to be judged"):
        load_study(write(tmp_path, text))


def test_dataset_without_folder_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset 'mine' names no folder: .* --data mine=DIR"):
        load_study(write(tmp_path, FOLDERS))


def test_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere is not a folder"):
        load_study(write(tmp_path, FOLDERS), folders={"mine": tmp_path / "nowhere"})


SHARING = """
name = "s"
[[dataset]]
name = "urbansound8k"
format = "urbansound8k"
[[dataset]]
name = "more"
format = "urbansound8k"
[[dataset]]
name = "apart"
format = "urbansound8k"
path = "apart"
[[dataset]]
name = "esc10-saws"
format = "class-folders"
"""


def test_datasets_of_a_kind_share_its_folder(tmp_path: Path) -> None:
    for name in ("apart", "usual", "other", "esc"):
        (tmp_path / name).mkdir()
    path = write(tmp_path, SHARING)
    given = {"urbansound8k": tmp_path / "usual", "esc10": tmp_path / "esc"}
    found = [dataset.path for dataset in load_study(path, folders=given).dataset]
    assert found == [tmp_path / "usual", tmp_path / "usual", tmp_path / "apart", tmp_path / "esc"]
    found = [dataset.path for dataset in load_study(path, folders=given | {"more": tmp_path / "other"}).dataset]
    assert found == [tmp_path / "usual", tmp_path / "other", tmp_path / "apart", tmp_path / "esc"]
    with pytest.raises(ConfigError, match=r"dataset 'more' names no folder: .* --data more=DIR"):
        load_study(write(tmp_path, SHARING.replace('"urbansound8k"\nformat', '"u"\nformat')), folders={"u": tmp_path})


def test_list_of_clips_counts_from_the_studys_folder(tmp_path: Path) -> None:
    path = write(tmp_path, FOLDERS + 'path = "."\nclips = "lists/mine.txt"')
    with pytest.raises(
        ConfigError, match=rf"dataset 'mine': its list of clips {tmp_path}/lists/mine\.txt is not there"
    ):
        load_study(path)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mine.txt").touch()
    assert load_study(path).dataset[0].clips == tmp_path / "lists" / "mine.txt"


@pytest.mark.parametrize("dataset_format", ["sonyc-ust", "background"])
def test_list_of_clips_belongs_to_two_formats(tmp_path: Path, dataset_format: str) -> None:
    table = "[dataset.made]\n" if dataset_format == "background" else ""
    text = FOLDERS.replace("class-folders", dataset_format) + f'clips = "a.txt"\n{table}'
    with pytest.raises(ConfigError, match="'clips' belongs to formats 'urbansound8k' and 'class-folders'"):
        load_study(write(tmp_path, text), folders={"mine": tmp_path})


def test_folder_for_an_unknown_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the study has no dataset named 'yours'"):
        load_study(write(tmp_path, FOLDERS), folders={"mine": tmp_path, "yours": tmp_path})


def test_command_line_goes_before_the_file_and_paths_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "named").mkdir()
    path = write(tmp_path, FOLDERS + 'path = "named"')
    monkeypatch.chdir(tmp_path)
    assert load_study(Path(path.name)).dataset[0].path == tmp_path / "named"
    assert load_study(path, folders={"mine": Path("given")}).dataset[0].path == tmp_path / "given"


@pytest.mark.parametrize("text", ['weights = "none.bundle"', 'kind = "tflite:none.tflite"'])
def test_missing_file_of_an_embedding_is_noticed_at_once(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, FOLDERS + f'path = "."\n[embedding]\n{text}')
    with pytest.raises(ConfigError, match=rf"\[embedding\]: {tmp_path}/none\.\w+ is not there"):
        load_study(path)
    (tmp_path / "none.bundle").touch()
    (tmp_path / "none.tflite").touch()
    load_study(path)


def test_published_studies_can_be_loaded(repository: Path, tmp_path: Path) -> None:
    paths = sorted((repository / "trainer" / "studies").glob("*.toml"))
    assert {"street-scenes", "urbansound8k-esc10"} <= {path.stem for path in paths}
    for path in paths:
        datasets = tomllib.loads(path.read_text())["dataset"]
        assert not any("path" in dataset for dataset in datasets)
        folders = {dataset["name"]: tmp_path for dataset in datasets if dataset["format"] != "scenes"}
        assert load_study(path, folders=folders).name == path.stem
