"""A whole small study: what it exports, bundles and reports, and that evaluation and node say the same."""

import csv
import json
import shutil
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from sonyc_contract.bundle import EMBEDDING, Bundle, head_member, read_bundle
from sonyc_contract.codec import decode, encode
from sonyc_contract.errors import GoldenMismatchError
from sonyc_contract.golden import self_test
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Scores
from sonyc_contract.runtime import Runtime, open_interpreter
from sonyc_trainer.embeddings.embedding import load_embedding
from sonyc_trainer.errors import ExportError, StageError
from sonyc_trainer.findings import read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import read_notes
from sonyc_trainer.pipeline import run_stage, run_study
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Study
from sonyc_trainer.summary import print_summary
from sonyc_trainer.tables import CODED, PREDICTIONS, SELECTION, read_table, write_table
from support.small_study import RATE_HZ, in_pool, small_study

TFLITE_FILES = (EMBEDDING, head_member("pcm"), head_member("v5"), head_member("any"))


@pytest.fixture(scope="module")
def bundle(finished: StudyFolder) -> Bundle:
    return read_bundle(finished.bundle)


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def score_files(folder: StudyFolder, bundle: Bundle, level: Level, split: str) -> dict[str, Scores]:
    """What a node says of the coded clips of a split, which it only decodes."""
    recogniser = bundle.recogniser()
    coded = read_table(folder.coded(level), CODED)
    coded = coded[coded["split"] == split]
    audio = folder.of(Stage.COMPRESS)
    return {
        clip_id: recogniser.score(*decode((audio / file).read_bytes()), level=level)
        for clip_id, file in zip(coded["clip_id"], coded["file"], strict=True)
    }


@pytest.mark.parametrize(("level", "head"), [(Level.PCM, "pcm"), (Level.V5, "v5"), (Level.V9, "any")])
def test_node_gives_the_probabilities_that_were_evaluated(
    finished: StudyFolder, bundle: Bundle, level: Level, head: str
) -> None:
    table = read_table(finished.predictions, PREDICTIONS)
    rows = table[(table["trained"] == head) & (table["tested"] == level) & (table["split"] == "test")]
    scores = score_files(finished, bundle, level, "test")
    assert set(scores) == set(rows["clip_id"])
    assert {score.head for score in scores.values()} == {head}
    for clip_id, evaluated in zip(rows["clip_id"], rows["probabilities"], strict=True):
        np.testing.assert_array_equal(scores[clip_id].probabilities, evaluated)


def test_small_study_learns(finished: StudyFolder) -> None:
    """Three tones apart from one another: chance is 0.33."""
    summary = json.loads(finished.summary.read_text())
    assert summary["matrix"]["any"]["pcm"]["accuracy"] > 0.5


def test_matrix_is_what_scikit_learn_counts(finished: StudyFolder) -> None:
    table = read_table(finished.predictions, PREDICTIONS)
    rows = csv_rows(finished.of(Stage.EVALUATE) / "matrix.csv")
    assert len(rows) == 3 * 3 * 2
    for row in rows:
        chosen = table[_is_of(table, row)]
        truth = chosen["labels"].str[0].to_numpy()
        predicted = np.array(LABELS)[np.stack(list(chosen["probabilities"])).argmax(axis=1)]
        present = sorted(set(truth))
        assert int(row["n_clips"]) == len(truth)
        assert int(row["n_classes"]) == len(present) == 3
        assert float(row["accuracy"]) == pytest.approx(accuracy_score(truth, predicted))
        expected = f1_score(truth, predicted, labels=present, average="macro", zero_division=0.0)
        assert float(row["macro_f1"]) == pytest.approx(expected)


def test_class_figures_are_what_scikit_learn_counts(finished: StudyFolder) -> None:
    table = read_table(finished.predictions, PREDICTIONS)
    rows = csv_rows(finished.of(Stage.EVALUATE) / "classes.csv")
    cell = {"trained": "v5", "tested": "v9", "split": "test"}
    chosen = table[_is_of(table, cell)]
    predicted = np.array(LABELS)[np.stack(list(chosen["probabilities"])).argmax(axis=1)]
    expected = precision_recall_fscore_support(chosen["labels"].str[0], predicted, labels=LABELS, zero_division=0.0)
    of_cell = [row for row in rows if all(row[key] == value for key, value in cell.items())]
    assert [row["label"] for row in of_cell] == list(LABELS)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose([float(row[name]) for row in of_cell], values, err_msg=name)
    counted = [int(row["tp"]) + int(row["fn"]) - int(row["support"]) for row in of_cell]
    assert counted == [0] * len(LABELS)


def test_findings_are_of_the_cells_of_the_matrix(finished: StudyFolder) -> None:
    found = read_findings(finished)
    rows = [row for row in csv_rows(finished.of(Stage.EVALUATE) / "matrix.csv") if row["split"] == "test"]
    assert {(row["trained"], row["tested"]) for row in rows} == set(found.cells)
    for row in rows:
        cell = found.cells[row["trained"], row["tested"]]
        assert cell.macro_f1.value == pytest.approx(float(row["macro_f1"]))
        assert cell.accuracy.value == pytest.approx(float(row["accuracy"]))
    assert [(one.trained, one.tested) for one in found.differences[:2]] == [("v5", "v5"), ("any", "v9")]
    assert found.cosines["pcm"].lowest == pytest.approx(1.0)
    assert 0 < found.cosines["v9"].mean < 1
    assert {one.method for one in found.calibration.values()} == {"temperature"}
    assert len(found.facts.verdict) >= 2


def test_evaluating_again_gives_the_same_bytes(own_copy: StudyFolder, tensorflow_pool: Executor) -> None:
    target = own_copy.of(Stage.EVALUATE)
    before = {path.name: path.read_bytes() for path in target.iterdir() if path.name != "done.json"}
    for name in before:
        if name != "key.json":
            (target / name).unlink()
    (target / "done.json").unlink()
    run_stage(own_copy, in_pool(tensorflow_pool), Stage.EVALUATE)
    assert {path.name: path.read_bytes() for path in target.iterdir() if path.name != "done.json"} == before


def test_absent_classes_are_named(finished: StudyFolder) -> None:
    notes = finished.notes(Stage.EVALUATE).read_text()
    missing = "machinery-impact, non-machinery-impact, powered-saw, alert-signal, human-voice"
    assert f"There is no test clip of {missing}: macro-F1 is over the other 3 classes." in notes


def test_class_that_its_dataset_gives_away_is_judged_without_it(
    own_copy: StudyFolder, tensorflow_pool: Executor
) -> None:
    selected = read_table(own_copy.selection, SELECTION)
    is_music = selected["labels"].map(lambda labels: "music" in labels)
    write_table(own_copy.selection, selected.assign(dataset=np.where(is_music, "other", "tones")), SELECTION)
    (own_copy.of(Stage.EVALUATE) / "done.json").unlink()
    run_stage(own_copy, in_pool(tensorflow_pool), Stage.EVALUATE)
    rows = csv_rows(own_copy.of(Stage.EVALUATE) / "classes.csv")
    f1 = {
        row["label"]: float(row["f1"])
        for row in rows
        if (row["trained"], row["tested"], row["split"]) == ("pcm", "pcm", "test") and int(row["support"])
    }
    without = (f1["dog"] + f1["engine"]) / 2
    (note,) = [
        line for line in own_copy.notes(Stage.EVALUATE).read_text().splitlines() if "give the class away" in line
    ]
    assert note.startswith("Only dataset other has music, ")
    assert f"macro-F1 of head pcm at pcm is {without:.3f} without that class, {np.mean(list(f1.values())):.3f} " in note


def test_bytes_per_hour_are_those_of_the_files(finished: StudyFolder) -> None:
    rows = {row["level"]: row for row in csv_rows(finished.of(Stage.EVALUATE) / "levels.csv")}
    files = read_table(finished.coded(Level.V9), CODED)["file"]
    n_bytes = sum((finished.of(Stage.COMPRESS) / file).stat().st_size for file in files)
    assert int(rows["v9"]["bytes_per_hour"]) == round(3600 * n_bytes / (2.0 * len(files)))


def test_bundle_tests_itself_on_each_runtime(bundle: Bundle, runtime: Runtime) -> None:
    report = self_test(bundle, runtime=runtime)
    assert report.n_heads == 3
    assert report.max_difference <= report.tolerance


def test_self_test_notices_another_head(finished: StudyFolder, bundle: Bundle, runtime: Runtime) -> None:
    swapped = dict(bundle.members)
    swapped[head_member("pcm")] = altered(swapped[head_member("pcm")])
    with pytest.raises(GoldenMismatchError, match="head-pcm"):
        self_test(Bundle(bundle.manifest, swapped, bundle.digest), runtime=runtime)


def test_manifest_says_how_it_was_made(finished: StudyFolder, bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert set(manifest.heads) == {"pcm", "v5", "any"}
    assert manifest.storage_rate_hz == 16_000
    assert {agreement.n_clips for agreement in manifest.agreement.values()} == {3 * 12}, "heads x validation clips"
    assert set(manifest.agreement) == set(Runtime)
    differences = [agreement.max_probability_difference for agreement in manifest.agreement.values()]
    assert min(differences) > 1e-4, "int8 is never exactly what Keras gives"
    assert str(finished.study.dataset[0].path) not in manifest.model_dump_json()
    card = bundle.members["MODEL_CARD.md"].decode()
    assert "Licence: none." in card
    assert "\n- tones, made here\n" in card
    assert "\n- for tests\n" in card
    for note in read_notes(finished):
        assert card.count(note) == 1


def test_head_is_linear_in_raw_embeddings(finished: StudyFolder, runtime: Runtime) -> None:
    """What is exported takes embeddings as they come: the standardisation is folded in."""
    head = open_interpreter(finished.head_model("v5").read_bytes(), runtime=runtime)
    zero, one, two = head.run(np.stack([np.zeros(16), np.full(16, 0.1), np.full(16, 0.2)]).astype(np.float32))
    np.testing.assert_allclose(two - one, one - zero, atol=1e-5)


def test_same_seed_gives_the_same_bytes(finished: StudyFolder, tmp_path: Path, tensorflow_pool: Executor) -> None:
    again = StudyFolder(tmp_path / "again", finished.study)
    run_study(again, in_pool(tensorflow_pool))
    for level in finished.study.compress.levels:
        assert again.embeddings(level).read_bytes() == finished.embeddings(level).read_bytes()
    for name in TFLITE_FILES:
        assert again.exported(name).read_bytes() == finished.exported(name).read_bytes()
    assert again.bundle.read_bytes() == finished.bundle.read_bytes()


def test_nothing_is_learned_from_test_clips(
    own_copy: StudyFolder, finished: StudyFolder, tensorflow_pool: Executor
) -> None:
    """Noise in place of every test clip changes no model, no calibration and no threshold."""
    rng = np.random.default_rng(0)
    for level in own_copy.study.compress.levels:
        coded = read_table(own_copy.coded(level), CODED)
        for file in coded.loc[coded["split"] == "test", "file"]:
            noise = rng.uniform(-0.5, 0.5, 2 * RATE_HZ).astype(np.float32)
            (own_copy.of(Stage.COMPRESS) / file).write_bytes(encode(noise, RATE_HZ, level=level))
    learned = (Stage.PRETRAIN, Stage.EMBED, Stage.TRAIN, Stage.EVALUATE)
    for stage in learned:
        shutil.rmtree(own_copy.of(stage))
    for stage in learned:
        run_stage(own_copy, in_pool(tensorflow_pool), stage)
    models = [load_embedding(folder.embedding_model).model for folder in (own_copy, finished)]
    assert models[0] == models[1]
    for name in finished.head_names:
        assert own_copy.head_model(name).read_bytes() == finished.head_model(name).read_bytes()
    assert own_copy.head_specs.read_bytes() == finished.head_specs.read_bytes()
    assert own_copy.predictions.read_bytes() != finished.predictions.read_bytes()


def test_heads_of_other_settings_are_not_left(
    own_copy: StudyFolder, finished: StudyFolder, tensorflow_pool: Executor
) -> None:
    study = Study.model_validate(own_copy.study.model_dump() | {"train": {"levels": ["pcm"], "epochs": 3}})
    other = StudyFolder(own_copy.root, study)
    run_study(other, in_pool(tensorflow_pool), until=Stage.TRAIN)
    assert other.head_model("pcm").read_bytes() != finished.head_model("pcm").read_bytes()
    assert not other.head_model("v5").is_file(), "a head of other settings was left"


def test_altered_head_is_not_exported(own_copy: StudyFolder, tensorflow_pool: Executor) -> None:
    head = own_copy.head_model("v5")
    head.write_bytes(altered(head.read_bytes()))
    (own_copy.of(Stage.EXPORT) / "done.json").unlink()
    for file in own_copy.of(Stage.EXPORT).glob("*.tflite"):
        file.unlink()
    with pytest.raises(ExportError, match=r"head-v5 on .*top-1 agreement 0\.\d+ \(\[export\] min_top1_agreement"):
        run_stage(own_copy, in_pool(tensorflow_pool), Stage.EXPORT)
    assert not list(own_copy.of(Stage.EXPORT).glob("*.tflite"))


def test_heads_refuse_embeddings_of_another_model(own_copy: StudyFolder, tensorflow_pool: Executor) -> None:
    spec = own_copy.embedding_model / "spec.json"
    spec.write_text(spec.read_text().replace('"name":"compact",', '"name":"other",').replace('"compact"', '"other"', 1))
    (own_copy.of(Stage.EVALUATE) / "done.json").unlink()
    with pytest.raises(StageError, match=r"is of embedding compact-.*run stage 'embed' again"):
        run_stage(own_copy, in_pool(tensorflow_pool), Stage.EVALUATE)


def test_embedding_of_a_bundle_can_be_used_again(
    finished: StudyFolder, tones: Path, tmp_path: Path, tensorflow_pool: Executor
) -> None:
    study = small_study(tones, embedding={"weights": finished.bundle}, train={"levels": ["pcm"], "epochs": 3})
    folder = StudyFolder(tmp_path / "given", study)
    run_study(folder, in_pool(tensorflow_pool))
    assert read_bundle(folder.bundle).members[EMBEDDING] == read_bundle(finished.bundle).members[EMBEDDING]


def test_interrupted_embedding_goes_on(own_copy: StudyFolder, finished: StudyFolder, tensorflow_pool: Executor) -> None:
    """A level's table that is missing is made again from shards; finished heads are not trained again."""
    (own_copy.of(Stage.EMBED) / "done.json").unlink()
    own_copy.embeddings(Level.V5).unlink()
    run_stage(own_copy, in_pool(tensorflow_pool), Stage.EMBED)
    assert own_copy.embeddings(Level.V5).read_bytes() == finished.embeddings(Level.V5).read_bytes()
    (own_copy.of(Stage.TRAIN) / "done.json").unlink()
    own_copy.head_record("v5").unlink()
    kept = own_copy.head_model("pcm").stat().st_mtime_ns
    run_stage(own_copy, in_pool(tensorflow_pool), Stage.TRAIN)
    assert own_copy.head_model("pcm").stat().st_mtime_ns == kept
    assert own_copy.head_model("v5").read_bytes() == finished.head_model("v5").read_bytes()


def test_report_and_summary(finished: StudyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads(finished.summary.read_text())
    cell = summary["matrix"]["v5"]["v9"]
    report = finished.report.read_text()
    assert f"{cell['macro_f1']:.3f}" in report
    assert summary["bundle"]["sha256"] in report
    print_summary(finished)
    printed = capsys.readouterr().out
    assert "MB per hour" in printed
    assert summary["verdict"][0] in " ".join(printed.split())
    assert max(map(len, printed.splitlines()[:10])) <= 80


def test_curves_and_accuracies_are_kept(finished: StudyFolder) -> None:
    heads = {row["head"]: row for row in csv_rows(finished.of(Stage.TRAIN) / "heads.csv")}
    assert list(heads) == ["pcm", "v5", "any"]
    curve = csv_rows(finished.of(Stage.TRAIN) / "curve-any.csv")
    assert len(curve) == int(heads["any"]["n_epochs"])
    best = min(curve, key=lambda row: float(row["validation_loss"]))
    assert best["epoch"] == heads["any"]["best_epoch"]
    assert float(heads["any"]["validation_accuracy"]) == pytest.approx(float(best["validation_accuracy"]), abs=1e-6)


def altered(head: bytes) -> bytes:
    """Give a head's file with its kernel turned round, so that it still loads."""
    interpreter = open_interpreter(head)._interpreter  # type: ignore[attr-defined]
    (kernel,) = (
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if tuple(tensor["shape"]) == (len(LABELS), 16)
    )
    assert head.count(kernel.tobytes()) == 1
    return head.replace(kernel.tobytes(), np.ascontiguousarray(kernel[::-1]).tobytes())


def _is_of(table, row):
    is_of = np.ones(len(table), bool)
    for key in ("trained", "tested", "split"):
        is_of &= (table[key] == row[key]).to_numpy()
    return is_of
