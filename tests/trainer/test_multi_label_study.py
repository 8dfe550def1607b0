"""A study of mixtures, with two heads per level and thresholds for a precision, run on the embedding of another."""

import csv
import json
from concurrent.futures import Executor
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import average_precision_score, f1_score

from sonyc_contract.bundle import MODEL_CARD, read_bundle
from sonyc_contract.labels import LABEL_INDEX
from sonyc_contract.recognise import HeadSpec
from sonyc_trainer.findings import MACRO, MICRO, Findings, read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.learning import class_flags
from sonyc_trainer.ledger import read_notes
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DatasetFormat
from sonyc_trainer.tables import PREDICTIONS, SELECTION, read_table
from support.small_datasets import Annotation, settings_of, write_sonyc_ust
from support.small_study import RATE_HZ, TONES_HZ, in_pool, small_study

N_SENSORS = 8


def write_mixtures(folder: Path) -> Path:
    """Clips of every set of the three tones, none among them, from eight sensors."""
    rng = np.random.default_rng(1)
    times_s = np.arange(2 * RATE_HZ) / RATE_HZ
    annotations = []
    for sensor, flags in product(range(N_SENSORS), product((False, True), repeat=len(TONES_HZ))):
        present = [label for label, is_there in zip(TONES_HZ, flags, strict=True) if is_there]
        name = f"{sensor}-{''.join(str(int(flag)) for flag in flags)}.wav"
        annotations.append(Annotation(name, present, sensor=str(sensor)))
    write_sonyc_ust(folder, annotations)
    for annotation in annotations:
        pitches_hz = [TONES_HZ[label] * rng.uniform(0.9, 1.1) for label in annotation.present]
        tones = sum(np.sin(2 * np.pi * k * hz * times_s) / k for hz in pitches_hz for k in (1, 2, 3))
        samples = 0.05 * tones + 0.01 * rng.standard_normal(len(times_s))
        soundfile.write(folder / "audio" / annotation.file, samples, RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def mixtures(
    finished: StudyFolder, tones: Path, tmp_path_factory: pytest.TempPathFactory, tensorflow_pool: Executor
) -> StudyFolder:
    """The study, finished."""
    audio = write_mixtures(tmp_path_factory.mktemp("mixtures"))
    study = small_study(
        tones,
        dataset=[settings_of(DatasetFormat.SONYC_UST, audio).model_dump()],
        labels="multi",
        compress={"storage_rate_hz": RATE_HZ, "levels": ["pcm", "v9"]},
        embedding={"weights": finished.bundle},
        train={"levels": ["pcm"], "epochs": 40, "seeds": 2},
        calibration={"method": "platt", "target_precision": 0.6},
        costs={"storage_rates_hz": (), "opus_kbps": (16,), "max_clips": 8, "max_pieces": 1},
    )
    folder = StudyFolder(tmp_path_factory.mktemp("study"), study)
    run_study(folder, in_pool(tensorflow_pool))
    return folder


@pytest.fixture(scope="module")
def findings(mixtures: StudyFolder) -> Findings:
    """What is known of its figures."""
    return read_findings(mixtures)


def of_cell(folder: StudyFolder, *, seed: int, trained: str = "any") -> tuple[np.ndarray, np.ndarray]:
    """Truth and probabilities of the test clips at v9."""
    table = read_table(folder.predictions, PREDICTIONS)
    rows = table[(table["split"] == "test") & (table["tested"] == "v9") & (table["trained"] == trained)]
    rows = rows[rows["seed"] == seed]
    return class_flags(rows["labels"]), np.stack(list(rows["probabilities"]))


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_clip_is_kept_with_its_classes(mixtures: StudyFolder) -> None:
    table = read_table(mixtures.selection, SELECTION)
    assert sorted(table["labels"].map(len).value_counts().items()) == [(0, 8), (1, 24), (2, 24), (3, 8)]
    assert "Of 64 clips 32 have several classes and 8 none" in "\n".join(read_notes(mixtures))
    breakdown = {row["label"]: row for row in csv_rows(mixtures.breakdown)}
    assert sum(int(breakdown["dog"][split]) for split in ("train", "validation", "test")) == 32


def test_areas_are_those_of_scikit_learn(mixtures: StudyFolder, findings: Findings) -> None:
    truth, probabilities = of_cell(mixtures, seed=0)
    present = np.flatnonzero(truth.any(axis=0))
    expected = average_precision_score(truth[:, present], probabilities[:, present], average="macro")
    assert findings.auprc["any", "v9", MACRO].auprc == pytest.approx(expected)
    micro = average_precision_score(truth, probabilities, average="micro")
    assert findings.auprc["any", "v9", MICRO].auprc == pytest.approx(micro)
    assert np.isnan(findings.auprc["any", "v9", "powered-saw"].auprc)
    assert expected > 0.6, "chance is about 0.5"


def test_decisions_are_of_the_thresholds_of_the_bundle(mixtures: StudyFolder, findings: Findings) -> None:
    specs = json.loads(mixtures.head_specs.read_text())
    of_bundle = read_bundle(mixtures.bundle).manifest.heads
    assert {name: HeadSpec.model_validate(spec) for name, spec in specs.items()} == of_bundle
    spec = of_bundle["any"]
    assert spec.calibration.slope[LABEL_INDEX["engine"]] == findings.calibration["any", "engine"].slope != 1.0
    truth, probabilities = of_cell(mixtures, seed=0)
    decided = probabilities >= np.array(spec.thresholds)
    present = np.flatnonzero(truth.any(axis=0)).tolist()
    (row,) = [
        row
        for row in csv_rows(mixtures.of(Stage.EVALUATE) / "matrix.csv")
        if (row["trained"], row["tested"], row["split"]) == ("any", "v9", "test")
    ]
    expected = f1_score(truth, decided, labels=present, average="macro", zero_division=0.0)
    assert float(row["macro_f1"]) == pytest.approx(expected)
    assert float(row["accuracy"]) == pytest.approx((truth == decided).all(axis=1).mean())


def test_model_card_says_how_probabilities_and_thresholds_were_chosen(
    mixtures: StudyFolder, findings: Findings
) -> None:
    card = read_bundle(mixtures.bundle).members[MODEL_CARD].decode()
    assert "Probabilities: calibrated by a slope and an offset per head and class" in card
    n_reached = sum(one.is_reached for one in findings.calibration.values())
    assert f"a precision of 0.6 on the validation clips, which {n_reached} of 16 pairs of head and class reach" in card
    interval = findings.cells["any", "pcm"].macro_f1
    assert f"| {interval.low:.3f} to {interval.high:.3f} |" in card


def test_there_is_no_confusion_of_sets(mixtures: StudyFolder) -> None:
    assert csv_rows(mixtures.of(Stage.EVALUATE) / "confusion.csv") == []


def test_costs_are_of_the_same_decisions(mixtures: StudyFolder) -> None:
    """All eight clips of the thinned test split are decided by thresholds, at levels and through Opus."""
    rows = csv_rows(mixtures.costs)
    assert {row["n_clips"] for row in rows} == {"8"}
    assert {row["family"] for row in rows} == {"FLAC", "MP3", "Opus"}
    assert all(0 < float(row["macro_f1"]) <= 1 for row in rows)


def test_report_says_what_its_areas_are(mixtures: StudyFolder) -> None:
    page = mixtures.report.read_text()
    assert "Average precision of the heads of the first seed. SONYC-UST&#x27;s published figures join" in page
    assert "clips, with the heads of the first seed. Numbers: <code>07-evaluate/classes.csv" in page


def test_report_is_written_without_a_confusion(mixtures: StudyFolder) -> None:
    assert "16 test clips of 2 recordings or sensors: too few to compare levels" in mixtures.report.read_text()


def test_heads_of_both_seeds_are_kept_and_averaged(mixtures: StudyFolder, findings: Findings) -> None:
    assert mixtures.head_model("any", 1).read_bytes() != mixtures.head_model("any").read_bytes()
    assert len(csv_rows(mixtures.of(Stage.TRAIN) / "heads.csv")) == 4
    figures = [one.macro_f1 for one in findings.seeds if (one.trained, one.tested) == ("any", "v9")]
    cell = findings.cells["any", "v9"]
    assert len(figures) == cell.n_seeds == 2
    assert cell.macro_f1.value == pytest.approx(np.mean(figures))
    assert cell.macro_f1_seed_sd == pytest.approx(np.std(figures, ddof=1))
    assert (of_cell(mixtures, seed=0)[1] != of_cell(mixtures, seed=1)[1]).any()
