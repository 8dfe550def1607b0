"""The yardstick: nothing of a fold is learned from, embeddings of several folds are one contestant, words and JSON."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sonyc_contract.labels import LABELS
from sonyc_trainer.cli import main
from sonyc_trainer.errors import SelectionError
from sonyc_trainer.findings import Comparison
from sonyc_trainer.folder import StudyFolder, open_folder
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import SELECTION, read_table
from sonyc_trainer.yardstick import Contest, check_fair, fit_and_predict, judge
from sonyc_trainer.yardstick_tables import as_document, as_text
from support.small_study import RATE_HZ, TONES_HZ, small_study, write_tones

N_PER_CLASS = 24
CLASSES = ("engine", "music", "dog", "powered-saw")


def clips(*, groups: list[str] | None = None) -> pd.DataFrame:
    n = N_PER_CLASS * len(CLASSES)
    return pd.DataFrame(
        {
            "clip_id": [f"clip-{k}" for k in range(n)],
            "labels": [[CLASSES[k % len(CLASSES)]] for k in range(n)],
            "group": groups or [f"recording-{k // 2}" for k in range(n)],
            "fold": [1 + (k // 2) % 4 for k in range(n)],
        }
    )


def heard(table: pd.DataFrame, noise: float, seed: int = 1) -> np.ndarray:
    """An embedding that knows the class, in noise."""
    rng = np.random.default_rng(seed)
    truth = np.array([LABELS.index(labels[0]) for labels in table["labels"]])
    return (np.eye(8)[truth] + noise * rng.standard_normal((len(truth), 8))).astype(np.float32)


def contest(table: pd.DataFrame, **contestants: np.ndarray) -> Contest:
    means = {(name, "pcm"): dict.fromkeys((1, 2, 3), vectors) for name, vectors in contestants.items()}
    return Contest(table, (1, 2, 3), ("pcm",), means)


def test_better_embedding_wins_with_a_paired_interval() -> None:
    table = clips()
    judged = judge(contest(table, good=heard(table, 0.1), bad=heard(table, 2.0)), reference="bad", seed=1)
    f1 = {cell.trained: cell.macro_f1 for cell in judged.cells}
    assert f1["good"].value > 0.95
    assert 0.2 < f1["bad"].value < 0.8
    (one,) = (one for one in judged.differences if one.comparison is Comparison.TRAINED)
    assert one.macro_f1.value == pytest.approx(f1["good"].value - f1["bad"].value)
    assert 0 < one.macro_f1.low < one.macro_f1.value < one.macro_f1.high
    assert judged.cells[0].n_clips == sum(table["fold"] <= 3), "fold 4 always trains"
    assert {cell.n_classes for cell in judged.without} == {3}
    assert len(judged.per_fold["good", "pcm"]) == 3


def test_recording_in_a_left_out_fold_is_not_learned_from() -> None:
    """Every recording has its own random vector and class: who has heard it knows it, others guess."""
    rng = np.random.default_rng(1)
    table = clips(groups=[f"recording-{k % 36}" for k in range(N_PER_CLASS * len(CLASSES))])
    vectors = rng.standard_normal((36, 64)).astype(np.float32)[np.arange(len(table)) % 36]
    judged = judge(contest(table, memory=vectors), reference="memory", seed=1)
    assert judged.cells[0].accuracy.value < 0.45
    leaking = table.assign(group=table["clip_id"])
    assert judge(contest(leaking, memory=vectors), reference="memory", seed=1).cells[0].accuracy.value > 0.6


def test_contestant_may_have_another_embedding_for_every_fold() -> None:
    table = clips()
    good, bad = heard(table, 0.1), heard(table, 5.0)
    mixed = Contest(table, (1, 2, 3), ("pcm",), {("mixed", "pcm"): {1: good, 2: bad, 3: good}})
    first, second, third = judge(mixed, reference="mixed", seed=1).per_fold["mixed", "pcm"]
    assert min(first, third) > 0.9
    assert second < 0.6


def test_prediction_is_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    table = clips()
    vectors, labels = heard(table, 1.0), [LABELS.index(labels[0]) for labels in table["labels"]]
    scaler = StandardScaler().fit(vectors)
    model = LogisticRegression(C=0.05, class_weight="balanced", max_iter=5_000).fit(scaler.transform(vectors), labels)
    found = fit_and_predict(vectors, labels, vectors[:10])
    np.testing.assert_allclose(found[:, model.classes_], model.predict_proba(scaler.transform(vectors[:10])), atol=1e-4)
    assert not found[:, LABELS.index("human-voice")].any()


def test_dead_dimension_upsets_nothing() -> None:
    table = clips()
    vectors, labels = heard(table, 0.1), [LABELS.index(labels[0]) for labels in table["labels"]]
    dead = np.full((len(vectors), 1), 0.2, np.float32)
    test = np.column_stack([vectors, dead + 1e-4])
    found = fit_and_predict(np.column_stack([vectors, dead]), labels, test)
    assert (found.argmax(axis=1) == labels).mean() > 0.9


def test_unknown_reference_is_refused() -> None:
    table = clips()
    with pytest.raises(SelectionError, match="'yamnet' is none of the embeddings: good"):
        judge(contest(table, good=heard(table, 0.1)), reference="yamnet", seed=1)


def test_embedding_that_would_learn_in_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"\[embedding\]: 'compact' would learn from a fold that judges it"):
        check_fair(StudyFolder(tmp_path, small_study(tmp_path)), (1, 2, 3))
    study = small_study(tmp_path, embedding={"kind": "log-mel"}, compare=[{"name": "a", "embedding": {"hop_s": 0.5}}])
    check_fair(StudyFolder(tmp_path, study), (1, 2, 3))


def test_tables_say_the_same() -> None:
    table = clips()
    judged = judge(contest(table, good=heard(table, 0.1), bad=heard(table, 2.0)), reference="bad", seed=1)
    document = as_document(judged)
    assert json.loads(json.dumps(document)) == document
    good, bad = document["results"]
    assert (good["embedding"], bad["embedding"], good["level"]) == ("good", "bad", "pcm")
    text = as_text(judged, "bad")
    assert f"{good['macro_f1']['value']:.3f}" in text
    assert f"+{good['differences']['trained']['value']:.3f}" in text
    assert "minus bad" in text


STUDY = f"""
name = "tones"

[[dataset]]
name = "tones"
format = "class-folders"
path = "audio"
file_pattern = '^(?P<fold>(?P<source>\\d)+)-'

[split]
test_fraction = 0.0

[trim]
mode = "loudest"
keep_s = 1.0

[compress]
storage_rate_hz = {RATE_HZ}
levels = ["pcm", "v9"]

[train]
levels = ["pcm"]

[embedding]
kind = "log-mel"

[[compare]]
name = "half"
embedding = {{ hop_s = 0.48 }}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its embeddings are computed by the first test that runs it, and kept."""
    folder = tmp_path_factory.mktemp("yardstick")
    write_tones(folder / "audio")
    path = folder / "study.toml"
    path.write_text(STUDY)
    return path


def test_command_judges_every_embedding_at_every_level(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["yardstick", str(study), "--out", str(study.parent / "out"), "--fold", "1", "--fold", "2"]
    assert main([*options, "--reference", "log-mel", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    found = [(one["embedding"], one["level"]) for one in results]
    assert found == [("log-mel", "pcm"), ("log-mel", "v9"), ("half", "pcm"), ("half", "v9")]
    assert {one["n_clips"] for one in results} == {2 * 2 * len(TONES_HZ)}
    assert min(one["macro_f1"]["value"] for one in results) > 0.8, "tones are easy to tell apart"
    assert main([*options, "--reference", "both", "--by-fold", "both=log-mel,half"]) == 0
    assert "both" in capsys.readouterr().out


MORE = """
background = ["hiss"]

[[dataset]]
name = "more"
format = "class-folders"
path = "more"
file_pattern = '^(?P<fold>(?P<source>\\d)+)-'
sources = "tones"
only_trains = true
# Wrong, so that figures would show it if anything were learned from them.
classes = { dog = "music", music = "engine", engine = "dog" }
"""


def test_background_and_clips_that_only_train_change_nothing(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("audio", "more"):
        shutil.copytree(study.parent / "audio", tmp_path / name)
    (tmp_path / "audio" / "hiss").mkdir()
    for recording in range(4):
        noise = 0.01 * np.random.default_rng(recording).standard_normal(2 * RATE_HZ)
        soundfile.write(tmp_path / "audio" / "hiss" / f"{recording}-0.wav", noise, RATE_HZ)
    (tmp_path / "study.toml").write_text(STUDY.replace("\n\n[split]", MORE + "\n[split]"))
    found = []
    for path in (study, tmp_path / "study.toml"):
        options = ["--out", str(path.parent / "out"), "--fold", "1", "--fold", "2", "--reference", "log-mel", "--json"]
        assert main(["yardstick", str(path), *options]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[1] == found[0]
    selected = read_table(open_folder(tmp_path / "out").selection, SELECTION)
    assert selected["only_trains"].any()
    assert set(selected["fold"][selected["labels"].map(len) == 0]) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fold", "77"], "no clip is of fold 77"),
        (["--reference", "yamnet"], "'yamnet' is none of the embeddings: log-mel, half"),
        (["--fold", "1", "--by-fold", "both=log-mel,half"], "'both' needs 1 of log-mel, half, one per fold"),
    ],
)
def test_wrong_wishes_are_told(study: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    assert main(["yardstick", str(study), "--out", str(study.parent / "out"), *options]) == 1
    assert said in capsys.readouterr().err


def test_fold_that_is_not_there_is_told_before_anything_is_coded(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["yardstick", str(study), "--out", str(tmp_path), "--fold", "1", "--fold", "77"]) == 1
    assert "no clip is of fold 77; there are [0, 1, 2, 3, 4, 5, 6, 7]" in capsys.readouterr().err
    assert not open_folder(tmp_path).of(Stage.TRIM).exists()
