"""A study with variants: they share what is the same, stand in the report, and an absent one is named."""

import csv
import json
import shutil
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from sonyc_contract.bundle import read_bundle
from sonyc_contract.errors import ConfigError
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Pooling
from sonyc_trainer.compared import Compared, read_compared
from sonyc_trainer.context import StageContext
from sonyc_trainer.errors import EmbeddingError, StageError
from sonyc_trainer.findings import Comparison
from sonyc_trainer.folder import StudyFolder, open_folder
from sonyc_trainer.pipeline import StageOutcome, run_stage, run_study
from sonyc_trainer.report.material import read_material
from sonyc_trainer.report.variants import variants
from sonyc_trainer.stages import Stage, comparing
from sonyc_trainer.statistics.proportions import MIN_CLIPS
from sonyc_trainer.study import Study, load_study
from sonyc_trainer.tables import PREDICTIONS, read_table, write_table
from support.small_study import in_pool, small_study, write_tones

VARIANTS: list[dict[str, object]] = [
    {"name": "max", "embedding": {"pooling": "max-logit"}},
    {"name": "attention", "embedding": {"pooling": "attention"}},
    {"name": "short", "trim": {"mode": "loudest", "keep_s": 1.0}},
    {"name": "short-attention", "trim": {"mode": "loudest", "keep_s": 1.0}, "embedding": {"pooling": "attention"}},
    {"name": "absent", "optional": True, "embedding": {"kind": "tflite:/nowhere/model.tflite"}},
    {
        "name": "absent-max",
        "optional": True,
        "embedding": {"kind": "tflite:/nowhere/model.tflite", "pooling": "max-logit"},
    },
]


@dataclass(frozen=True)
class Ran:
    """A study that ran to its end."""

    folder: StudyFolder
    outcomes: list[StageOutcome]
    context: StageContext

    @property
    def compared(self) -> Compared:
        """What stage `compare` found."""
        return read_compared(self.folder.of(Stage.COMPARE))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, tensorflow_pool: Executor) -> Ran:
    root = tmp_path_factory.mktemp("variants")
    study = small_study(write_tones(root / "audio"), compare=VARIANTS, costs={"max_clips": 0})
    folder, context = StudyFolder(root / "out", study), in_pool(tensorflow_pool)
    return Ran(folder, run_study(folder, context), context)


def stages_of(ran: Ran, variant: str) -> list[Stage]:
    return [outcome.stage for outcome in ran.outcomes if outcome.variant == variant]


def test_variant_runs_only_what_differs(ran: Ran) -> None:
    assert stages_of(ran, "max") == stages_of(ran, "attention") == [Stage.TRAIN, Stage.EVALUATE]
    from_trim = [Stage.TRIM, Stage.COMPRESS, Stage.PRETRAIN, Stage.EMBED, Stage.TRAIN, Stage.EVALUATE]
    assert stages_of(ran, "short") == from_trim
    assert stages_of(ran, "short-attention") == [Stage.TRAIN, Stage.EVALUATE], "the rest is that of 'short'"


def test_figures_are_those_of_the_variants_own_heads(ran: Ran) -> None:
    cells = {(cell.trained, cell.tested): cell for cell in ran.compared.cells}
    assert ran.compared.names == ("study", "max", "attention", "short", "short-attention")
    for name, folder in {"study": ran.folder, **ran.folder.variants()}.items():
        if folder.is_left_out:
            continue
        own = {(row["trained"], row["tested"]): float(row["macro_f1"]) for row in matrix(folder, "test")}
        for level, head in (("pcm", "pcm"), ("v5", "v5"), ("v9", "any")):
            assert cells[name, level].macro_f1.value == pytest.approx(own[head, level])


def test_differences_are_to_the_study_and_to_the_reference(ran: Ran) -> None:
    cells = {(cell.trained, cell.tested): cell.macro_f1.value for cell in ran.compared.cells}
    against_study = [one for one in ran.compared.differences if one.comparison is Comparison.TRAINED]
    assert len(against_study) == 4 * 3
    for one in against_study:
        assert one.reference_trained == "study"
        assert one.reference_tested == one.tested
        assert one.macro_f1.value == pytest.approx(cells[one.trained, one.tested] - cells["study", one.tested])
    assert {one.trained for one in ran.compared.differences if one.comparison is Comparison.TESTED} == {
        *ran.compared.names
    }


def test_report_shows_them_and_names_the_absent_one(ran: Ran) -> None:
    page = ran.folder.report.read_text()
    assert 'id="variants"' in page
    assert "Trained and tested: short-attention" in page
    for name in ("absent", "absent-max"):
        assert f"Not compared: {name}. /nowhere/model.tflite: cannot be read" in page
    with (ran.folder.root / "figures" / "variants.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows[::3]] == list(ran.compared.names)


def test_clip_that_only_a_variant_drops_is_named(ran: Ran, tmp_path: Path) -> None:
    shutil.copytree(ran.folder.root, tmp_path / "copy")
    folder = StudyFolder(tmp_path / "copy", ran.folder.study)
    short = folder.variants()["short"]
    lost = str(read_table(folder.predictions, PREDICTIONS).query("split == 'test'")["clip_id"].iloc[0])
    with short.dropped(Stage.TRIM).open("a") as file:
        file.write(f"{lost},silent,every sample is zero\n")
    said = read_table(short.predictions, PREDICTIONS)
    write_table(short.predictions, said[said["clip_id"] != lost], PREDICTIONS)
    comparing.run(folder, ran.context)
    notes = folder.notes(Stage.COMPARE).read_text()
    assert f"Clips that only variant short dropped, as silent: 1 ({lost}); variants are compared without" in notes
    n_clips = {cell.n_clips for cell in read_compared(folder.of(Stage.COMPARE)).cells}
    assert n_clips == {cell.n_clips - 1 for cell in ran.compared.cells}


def test_too_few_clips_are_compared_in_no_words(ran: Ran) -> None:
    assert max(cell.n_clips for cell in ran.compared.cells) < MIN_CLIPS
    page = ran.folder.report.read_text()
    assert "These are too few clips or recordings to compare anything" in page
    assert "attention: " not in page


def test_report_says_of_how_many_seeds_the_figures_are(ran: Ran) -> None:
    material = read_material(ran.folder)
    more_seeds = replace(material.findings, facts=replace(material.findings.facts, n_seeds=3))
    sentence = "Figures are of the first 1 of 3 seeds."
    assert sentence in variants(replace(material, findings=more_seeds)).as_html()
    assert sentence not in variants(material).as_html()


def test_folder_of_a_variant_can_be_opened(ran: Ran) -> None:
    variant = ran.folder.variants()["attention"]
    opened = open_folder(variant.root)
    assert opened.study == variant.study
    assert opened.is_done(Stage.EVALUATE)
    assert opened.embeddings(Level.PCM) == ran.folder.embeddings(Level.PCM)


def test_second_run_does_nothing(ran: Ran) -> None:
    again = run_study(ran.folder, ran.context)
    assert all(outcome.is_kept for outcome in again)
    assert {outcome.variant for outcome in again} == {"", "max", "attention", "short", "short-attention"}


def test_bundle_knows_nothing_of_variants(ran: Ran) -> None:
    manifest = read_bundle(ran.folder.bundle).manifest
    assert manifest.pooling is Pooling.MEAN_EMBEDDING
    assert "/nowhere" not in manifest.model_dump_json()


def test_absent_file_that_is_not_optional_is_an_error(ran: Ran, tmp_path: Path) -> None:
    kind = {"name": "absent", "embedding": {"kind": "tflite:/nowhere/model.tflite"}}
    study = Study.model_validate(ran.folder.study.model_dump() | {"compare": [kind]})
    folder = StudyFolder(tmp_path / "out", study)
    with pytest.raises(EmbeddingError, match=r"\[\[compare\]\] 'absent': /nowhere/model.tflite: cannot be read"):
        run_study(folder, ran.context, until=Stage.COMPARE)


def test_what_a_variant_cannot_do_is_said_with_its_name(ran: Ran, tmp_path: Path) -> None:
    short = {"name": "short", "optional": True, "trim": {"mode": "loudest", "keep_s": 1.0}}
    study = Study.model_validate(ran.folder.study.model_dump() | {"compare": [short]})
    with pytest.raises(StageError, match=r"\[\[compare\]\] 'short': stage 'trim' needs 'select' first"):
        run_stage(StudyFolder(tmp_path / "out", study), ran.context, Stage.COMPARE)


def matrix(folder: StudyFolder, split: str) -> list[dict[str, str]]:
    frame = pd.read_csv(folder.of(Stage.EVALUATE) / "matrix.csv", dtype=str).query("split == @split")
    return [{str(key): str(value) for key, value in row.items()} for row in frame.to_dict(orient="records")]


STUDY = """
name = "mine"

[[dataset]]
name = "mine"
format = "class-folders"
path = "."

[embedding]
pooling = "mean-embedding"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(STUDY + text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[compare]]\nname = 'study'", "is what the study itself is called"),
        ("[[compare]]\nname = 'a'\n[[compare]]\nname = 'a'", "two comparisons have the same name"),
        ("[[compare]]\nname = 'a'\ntrim = { keep = 1 }", r"\[\[compare\]\] 'a': unknown key 'trim.keep'"),
        ("[[compare]]\nname = 'a'\ntrims = { keep = 1 }", "unknown key 'compare.0.trims'"),
        ("[[compare]]\nname = 'a'\ntrim = { keep_s = '1' }", r"'a': key 'trim.keep_s': Input should be a valid number"),
        ("[[compare]]\nname = 'a'\ntrain = { seeds = true }", r"'a': key 'train.seeds': Input should be a valid int"),
        ("[[compare]]\nname = 'a'\ntrain = { levels = ['v4'] }", "'a': train.levels has 'v4', which compress.levels"),
        (
            "[[compare]]\nname = 'a'\nembedding = { kind = 'tflite:a.tflite' }",
            "a.tflite is not there; give another",
        ),
    ],
)
def test_wrong_comparison_is_refused_when_the_study_is_read(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_study(write(tmp_path, text))


def test_attention_cannot_be_the_studys_own(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_text(path.read_text().replace("mean-embedding", "attention"))
    with pytest.raises(ConfigError, match=r"'attention' cannot run on nodes: name it in a \[\[compare\]\]"):
        load_study(path)


def test_files_are_given_by_the_name_of_a_comparison_or_by_kind(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[[compare]]\nname = 'yamnet'\noptional = true\nembedding = { kind = 'tflite:y.tflite' }\n"
        "[[compare]]\nname = 'sea'\nembedding = { kind = 'edgel3-sea' }\n",
    )
    given = tmp_path / "given.tflite"
    with pytest.raises(ConfigError, match=r"given.tflite is not there; give another with --model yamnet=FILE"):
        load_study(path, models={"yamnet": given})
    given.touch()
    study = load_study(path, models={"yamnet": given, "edgel3-sea": path})
    assert study.compare[0].embedding == {"kind": f"tflite:{given}"}
    assert study.compare[1].embedding["weights"].endswith("study.toml")
    assert load_study(path).compare[0].embedding == {"kind": f"tflite:{tmp_path / 'y.tflite'}"}
    with pytest.raises(ConfigError, match=r"no embedding 'openl3' to give a file for, only compact, yamnet, tflite"):
        load_study(path, models={"openl3": path})


def test_variant_of_another_kind_keeps_only_the_hop(tmp_path: Path) -> None:
    study = small_study(
        tmp_path,
        embedding={"hop_s": 0.5, "pooling": "max-logit"},
        compare=[{"name": "sea", "embedding": {"kind": "edgel3-sea"}}, {"name": "hop", "embedding": {"hop_s": 0.25}}],
    )
    sea, hop = (study.variant(one).embedding for one in study.compare)
    assert (sea.kind, sea.hop_s, sea.pooling) == ("edgel3-sea", 0.5, "mean-embedding")
    assert (hop.kind, hop.hop_s, hop.pooling) == ("compact", 0.25, "max-logit")
    assert json.loads(study.variant(study.compare[0]).model_dump_json())["compare"] == []


def test_tables_within_tables_keep_what_a_variant_does_not_name(tmp_path: Path) -> None:
    study = small_study(
        tmp_path,
        pretrain={"augment": {"mix_db": 1.0}},
        compare=[{"name": "quiet", "pretrain": {"augment": {"gain_db": 3.0}}}],
    )
    augment = study.variant(study.compare[0]).pretrain.augment
    assert (augment.mix_db, augment.gain_db) == (1.0, 3.0)
