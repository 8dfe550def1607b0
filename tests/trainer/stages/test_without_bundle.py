"""A study whose embedding stays in the trainer runs to its report, and says why there is no bundle."""

import json

from sonyc_trainer.embeddings.embedding import save_embedding
from sonyc_trainer.embeddings.framed import Features, FramedEmbedding, FramedSpec
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import stage_module
from sonyc_trainer.stages import Stage
from sonyc_trainer.summary import print_summary
from support.stage_runs import QUIET


def test_report_without_a_bundle(own_copy: StudyFolder, capsys) -> None:
    own_copy.bundle.unlink()
    spec = FramedSpec(
        name="yamnet", features=Features.WAVEFORM, rate_hz=16_000, window_samples=16, hop_samples=16, n_dimensions=16
    )
    save_embedding(own_copy.embedding_model, FramedEmbedding(spec, b"a model"))
    for stage in (Stage.EXPORT, Stage.BUNDLE, Stage.REPORT):
        stage_module(stage).run(own_copy, QUIET)
    assert not own_copy.bundle.exists()
    summary = json.loads(own_copy.summary.read_text())
    assert summary["bundle"] is None
    assert [note for note in summary["notes"] if "no bundle: " in note and "embedding yamnet begins" in note]
    print_summary(own_copy)
    printed = capsys.readouterr().out
    assert "There is no bundle" in printed
    assert "Bundle:" not in printed
