"""A study with background clips: they train heads and thresholds, and stay out of what is decided by the largest."""

import json
import shutil
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sonyc_contract.bundle import read_bundle
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Pooling
from sonyc_trainer.attention import clip_logits
from sonyc_trainer.background_clips import BACKGROUND, is_background
from sonyc_trainer.compared import read_compared
from sonyc_trainer.embeddings.embedding import load_embedding, open_quietly
from sonyc_trainer.embeddings.vectors import read_vectors
from sonyc_trainer.findings import ANY_CLASS, read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.planning.costs import read_costs
from sonyc_trainer.stages import Stage
from sonyc_trainer.statistics.proportions import wilson
from sonyc_trainer.status import study_status
from sonyc_trainer.tables import CODED, PREDICTIONS, SELECTION, read_table
from support.small_study import RATE_HZ, in_pool, small_study

N_RECORDINGS = 10
N_TONES = 48


def write_hiss(folder: Path) -> Path:
    """Write two clips of 2 s per recording, of noise and a tone that is no class's."""
    folder.mkdir(parents=True)
    times_s = np.arange(2 * RATE_HZ) / RATE_HZ
    for recording in range(N_RECORDINGS):
        for clip in range(2):
            rng = np.random.default_rng([recording, clip])
            tone = 0.02 * np.sin(2 * np.pi * rng.uniform(4_000, 6_000) * times_s)
            samples = tone + 10 ** rng.uniform(-3, -1) * rng.standard_normal(len(times_s))
            soundfile.write(folder / f"{recording}-{clip}.wav", np.clip(samples, -1, 1), RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def with_hiss(
    tones: Path, finished: StudyFolder, tmp_path_factory: pytest.TempPathFactory, tensorflow_pool: Executor
) -> StudyFolder:
    """A finished study of tones with a folder `hiss` beside those of the classes, which is background."""
    audio = tmp_path_factory.mktemp("with-hiss") / "audio"
    shutil.copytree(tones, audio)
    write_hiss(audio / "hiss")
    dataset = {
        "name": "tones",
        "format": "class-folders",
        "path": audio,
        "file_pattern": r"^(?P<source>\d+)-",
        "background": ["hiss"],
    }
    tables = {
        "dataset": [dataset],
        "compress": {"storage_rate_hz": RATE_HZ, "levels": ["pcm", "v5"]},
        "embedding": {"weights": finished.bundle},
        "train": {"levels": ["pcm"], "epochs": 60},
        "costs": {"storage_rates_hz": [], "opus_kbps": []},
        "compare": [{"name": "max", "embedding": {"pooling": "max-logit"}}],
    }
    study = small_study(audio, **tables)
    folder = StudyFolder(tmp_path_factory.mktemp("background-study"), study)
    run_study(folder, in_pool(tensorflow_pool))
    return folder


def split_sizes(folder: StudyFolder, *, background: bool) -> dict[str, int]:
    selected = read_table(folder.selection, SELECTION)
    chosen = selected[is_background(selected["labels"]) == background]
    return {str(split): int(n) for split, n in chosen["split"].value_counts().items()}


def test_they_are_selected_and_divided_by_recording(with_hiss: StudyFolder) -> None:
    selected = read_table(with_hiss.selection, SELECTION)
    hiss = selected[is_background(selected["labels"])]
    assert len(hiss) == 2 * N_RECORDINGS
    assert len(selected) == N_TONES + 2 * N_RECORDINGS
    assert hiss.groupby("group")["split"].nunique().max() == 1
    assert set(hiss["split"]) == {"train", "validation", "test"}
    breakdown = pd.read_csv(with_hiss.breakdown).set_index("label").loc[BACKGROUND].to_dict()
    assert breakdown == split_sizes(with_hiss, background=True)
    assert study_status(with_hiss).breakdown[BACKGROUND] == breakdown
    assert "Of 68 clips 20 are background" in with_hiss.notes(Stage.SELECT).read_text()


def test_they_are_coded_and_scored_at_every_level(with_hiss: StudyFolder) -> None:
    said = read_table(with_hiss.predictions, PREDICTIONS)
    for level in with_hiss.study.compress.levels:
        assert is_background(read_table(with_hiss.coded(level), CODED)["labels"]).sum() == 2 * N_RECORDINGS
        assert is_background(said.loc[said["tested"] == level.value, "labels"]).any()


def test_figures_of_the_largest_output_are_of_the_others(with_hiss: StudyFolder) -> None:
    target, n = with_hiss.of(Stage.EVALUATE), split_sizes(with_hiss, background=False)
    matrix = pd.read_csv(target / "matrix.csv")
    assert {split: set(rows["n_clips"]) for split, rows in matrix.groupby("split")} == {
        "test": {n["test"]},
        "validation": {n["validation"]},
    }
    confusion = pd.read_csv(target / "confusion.csv").query("split == 'test'")
    assert confusion.groupby(["trained", "tested"]).sum(numeric_only=True).sum(axis=1).unique().tolist() == [n["test"]]
    findings = read_findings(with_hiss)
    assert findings.facts.n_clips == n["test"]
    assert {one.n_clips for one in findings.flips.values()} == {n["test"]}
    assert {one.n_clips for one in findings.cosines.values()} == {n["test"]}
    assert {one.n_validation for one in findings.accuracies.values()} == {n["validation"]}
    assert {one.n_train for one in findings.accuracies.values()} == {n["train"]}
    assert {one.n_clips for one in read_compared(with_hiss.of(Stage.COMPARE)).cells} == {n["test"]}
    assert {one.n_clips for one in read_costs(with_hiss.costs)} == {n["test"]}
    agreement = json.loads(with_hiss.agreement.read_text())
    assert {head["n_clips"] for runtime in agreement.values() for head in runtime.values()} == {n["validation"]}


def test_thresholds_are_chosen_on_them_too(with_hiss: StudyFolder) -> None:
    n = sum(split_sizes(with_hiss, background=of_none)["validation"] for of_none in (False, True))
    assert {one.n_clips for one in read_findings(with_hiss).calibration.values() if one.head == "pcm"} == {n}


def test_shares_with_a_detection_are_those_of_the_predictions(with_hiss: StudyFolder) -> None:
    specs, said = with_hiss.read_head_specs(), read_table(with_hiss.predictions, PREDICTIONS)
    said = said[is_background(said["labels"])]
    found = read_findings(with_hiss).background
    assert len(found) == 2 * len(with_hiss.head_names) * 2 * 9
    for one in found:
        rows = said[(said["split"] == one.split) & (said["trained"] == one.trained) & (said["tested"] == one.tested)]
        assert (one.dataset, one.n_clips, one.n_groups) == ("tones", len(rows), rows["group"].nunique())
        if one.label == ANY_CLASS:
            flags = np.stack(rows["probabilities"].to_list()) >= specs[one.trained].thresholds
            assert one.n_detected == flags.any(axis=1).sum()
            assert one.share == wilson(one.n_detected, one.n_clips)


def test_heads_learn_that_there_is_nothing(with_hiss: StudyFolder, finished: StudyFolder) -> None:
    """Of clips that neither learned from, heads that never saw background see more in it; the embedding is the same."""
    embedding_id = load_embedding(with_hiss.embedding_model).id
    vectors = read_vectors(with_hiss.embeddings(Level.PCM), embedding_id=embedding_id)
    chosen = is_background(vectors.clips["labels"]) & (vectors.clips["split"] != "train").to_numpy()
    clips = [clip for clip, is_chosen in zip(vectors.per_clip(), chosen, strict=True) if is_chosen]
    medians = []
    for folder in (finished, with_hiss):
        head = open_quietly(folder.head_model("pcm").read_bytes())
        medians.append(np.median([clip_logits(clip, head, Pooling.MEAN_EMBEDDING).max() for clip in clips]))
    assert medians[1] < medians[0] - 1.0
    assert medians[1] < 0.0


def test_report_summary_and_card_tell_of_them(with_hiss: StudyFolder, finished: StudyFolder) -> None:
    page, card = with_hiss.report.read_text(), read_bundle(with_hiss.bundle).members["MODEL_CARD.md"].decode()
    assert "None of these" in page
    assert "## None of these" in card
    n = split_sizes(with_hiss, background=True)
    summary = json.loads(with_hiss.summary.read_text())["background"]["tones"]
    assert (summary["split"], summary["n_clips"]) == ("test", n["test"])
    assert f"| tones | {n['test']} test, " in card
    assert f"among them: {n['train']} train, {n['validation']} validation, {n['test']} test." in card
    assert summary["n_detected"].keys() == {"pcm", "any"}
    assert "None of these" not in finished.report.read_text()
    assert json.loads(finished.summary.read_text())["background"] == {}
