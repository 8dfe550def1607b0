"""Stage `bundle`: everything a node needs in one file, written only after its self-test on both runtimes."""

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from pydantic import JsonValue

from sonyc_contract.bundle import (
    EMBEDDING,
    GOLDEN,
    MODEL_CARD,
    Agreement,
    Bundle,
    Manifest,
    head_member,
    pack_bundle,
    parse_bundle,
)
from sonyc_contract.codec import encoder_version
from sonyc_contract.errors import GoldenMismatchError
from sonyc_contract.files import write_whole
from sonyc_contract.golden import dump_golden, make_golden, self_test
from sonyc_contract.recognise import Recogniser
from sonyc_contract.runtime import Runtime
from sonyc_trainer import __version__
from sonyc_trainer.agreement import summed
from sonyc_trainer.background_clips import is_background
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import Embedding, load_embedding, open_quietly
from sonyc_trainer.errors import ExportError
from sonyc_trainer.findings import read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.golden_signal import golden_signal
from sonyc_trainer.ledger import read_notes, write_notes
from sonyc_trainer.model_card import CardFacts, model_card
from sonyc_trainer.quiet import NOWHERE, output_to
from sonyc_trainer.results import Results, read_results
from sonyc_trainer.splitting import SPLITS
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Study
from sonyc_trainer.tables import CODED, read_table

if TYPE_CHECKING:
    import pandas as pd

MINIMUM_RUNTIME: Final = {Runtime.LITERT: "2.1.6", Runtime.TFLITE: "2.14.0"}

_NO_BUNDLE: Final = (
    "There is no bundle: nodes compute one of the log-mels of bundles, and the embedding {name} begins at something "
    "else. Choose 'compact', 'edgel3-sea' or a TFLite file that takes such a log-mel for one."
)


def run(folder: StudyFolder, context: StageContext) -> None:
    """Put the bundle together, test it, and write it; say so where the embedding cannot be in one.

    Raises:
        ExportError: it does not pass its own self-test on one of the runtimes; nothing is written.
        BundleError: it is over the size limit; nothing is written.
    """
    results = read_results(folder)
    embedding = load_embedding(folder.embedding_model)
    if not isinstance(embedding, Embedding):
        write_notes(folder.notes(Stage.BUNDLE), [_NO_BUNDLE.format(name=embedding.spec.name)])
        return
    agreement = {runtime: summed(of_heads) for runtime, of_heads in results.agreement.items()}
    manifest = _manifest(folder, embedding, results, agreement)
    members = {name: folder.exported(name).read_bytes() for name in (EMBEDDING, *map(head_member, folder.head_names))}
    members[GOLDEN] = _golden(folder.study, manifest, embedding, members)
    facts = CardFacts(
        *(embedding.spec, len(embedding.model), results, read_findings(folder)),
        *(agreement, _n_clips(folder), _n_background(folder), read_notes(folder)),
    )
    members[MODEL_CARD] = model_card(folder.study, facts).encode()
    data = pack_bundle(manifest, members)
    _test(parse_bundle(data), context)
    write_whole(folder.bundle, data)


def _manifest(
    folder: StudyFolder, embedding: Embedding, results: Results, agreement: dict[Runtime, Agreement]
) -> Manifest:
    study = folder.study
    specs = folder.read_head_specs()
    return Manifest(
        name=study.export.name,
        licence=study.export.licence,
        storage_rate_hz=study.compress.storage_rate_hz,
        embedding=embedding.spec,
        pooling=study.embedding.node_pooling,
        heads={name: specs[name] for name in folder.head_names},
        minimum_runtime=MINIMUM_RUNTIME,
        agreement=agreement,
        training=_training_record(folder, embedding, results),
    )


def _training_record(folder: StudyFolder, embedding: Embedding, results: Results) -> dict[str, JsonValue]:
    """Say how it was made; no paths, times or durations, so that the same study gives the same bytes."""
    study = folder.study
    paths: dict[str, Any] = {
        "dataset": {"__all__": {"path", "clips"}},
        "embedding": {"weights", "kind"},
        "pretrain": {"distil": {"teacher"}},
        "compare": True,
    }
    settings = study.model_dump(mode="json", exclude=paths)
    return {
        "study": study.name,
        "seed": study.seed,
        "settings": settings,
        "embedding_id": embedding.id,
        "n_clips": dict(_n_clips(folder)),
        "split": results.split,
        "macro_f1": {
            head: {level: cell.macro_f1 for level, cell in row.items()} for head, row in results.matrix.items()
        },
        "accuracy": {
            head: {level: cell.accuracy for level, cell in row.items()} for head, row in results.matrix.items()
        },
        "bytes_per_hour": dict(results.bytes_per_hour),
        "versions": {
            "sonyc-trainer": __version__,
            "tensorflow": metadata.version("tensorflow"),
            "numpy": metadata.version("numpy"),
            "encoder": encoder_version(),
        },
    }


def _golden(study: Study, manifest: Manifest, embedding: Embedding, members: dict[str, bytes]) -> bytes:
    """Record what ai-edge-litert gives for a made sound of two windows."""
    spec = embedding.spec
    rate_hz = study.compress.storage_rate_hz
    samples = golden_signal(rate_hz, duration_s=spec.window_s + spec.hop_s, seed=study.seed)
    heads = {name: open_quietly(members[head_member(name)]) for name in manifest.heads}
    recogniser = Recogniser(embedding.open(), heads, manifest.heads, manifest.pooling)
    return dump_golden(make_golden(samples, rate_hz, recogniser, tolerance=study.export.golden_tolerance))


def _test(bundle: Bundle, context: StageContext) -> None:
    with context.progress.task("bundle: self-tests", len(Runtime)) as advance:
        for runtime in Runtime:
            try:
                with output_to(NOWHERE):
                    self_test(bundle, runtime=runtime)
            except GoldenMismatchError as error:
                raise ExportError(f"the bundle is not written: {error} ([export] golden_tolerance)") from error
            advance(1)


def _n_clips(folder: StudyFolder) -> dict[str, int]:
    return _by_split(read_table(folder.coded(folder.study.compress.levels[0]), CODED))


def _n_background(folder: StudyFolder) -> dict[str, int]:
    coded = read_table(folder.coded(folder.study.compress.levels[0]), CODED)
    return _by_split(coded[is_background(coded["labels"])])


def _by_split(clips: "pd.DataFrame") -> dict[str, int]:
    splits = clips["split"].value_counts()
    return {split: int(splits.get(split, 0)) for split in SPLITS}
