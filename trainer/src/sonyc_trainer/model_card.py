"""MODEL_CARD.md: what a bundle was made of, what it reaches, what it must not be used for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sonyc_contract.bundle import Agreement
from sonyc_contract.labels import LABELS
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_contract.runtime import Runtime
from sonyc_trainer.findings import ANY_CLASS, Findings
from sonyc_trainer.results import Results
from sonyc_trainer.statistics.calibration import UNREACHED_THRESHOLD, CalibrationMethod
from sonyc_trainer.study import Study

_CALIBRATIONS: Final = {
    CalibrationMethod.NONE: "as the heads give them, not calibrated",
    CalibrationMethod.TEMPERATURE: "calibrated by one temperature per head, on the validation clips",
    CalibrationMethod.PLATT: "calibrated by a slope and an offset per head and class, on the validation clips",
}


@dataclass(frozen=True)
class CardFacts:
    """What the card tells beside the study's settings.

    Attributes:
        spec: The embedding.
        embedding_bytes: Size of its TFLite file.
        results: What the study found.
        findings: What that is worth.
        agreement: By runtime, over all heads.
        n_clips: By split, background clips among them.
        n_background: Those, by split.
        notes: Of the study's stages.
    """

    spec: EmbeddingSpec
    embedding_bytes: int
    results: Results
    findings: Findings
    agreement: Mapping[Runtime, Agreement]
    n_clips: Mapping[str, int]
    n_background: Mapping[str, int]
    notes: list[str]


def model_card(study: Study, facts: CardFacts) -> str:
    """Write the card as Markdown."""
    sections = [_head(study), _model(study, facts), _data(study, facts), _figures(facts)]
    if facts.findings.background:
        sections.append(_background(facts))
    sections.append(_limits(study, facts))
    return "\n\n".join(sections) + "\n"


def _head(study: Study) -> str:
    return f"""# {study.export.name}

Recogniser of eight urban sound classes ({", ".join(LABELS)})
for sensors that store audio at {study.compress.storage_rate_hz} Hz.
Made by the study `{study.name}`, seed {study.seed}.

Licence: {study.export.licence}."""


def _model(study: Study, facts: CardFacts) -> str:
    spec, front = facts.spec, facts.spec.frontend
    return f"""## Model

- Embedding `{spec.name}`: {facts.embedding_bytes} bytes; {spec.n_dimensions} numbers per window of
  {spec.window_s:g} s, every {spec.hop_s:g} s.
- Front end `{front.id}`: {front.n_mels} mels at {front.rate_hz} Hz, outside the model.
- Pooling of windows: {study.embedding.pooling}. Heads: {", ".join(facts.results.heads)}; eight independent sigmoids.
- Probabilities: {_CALIBRATIONS[study.calibration.method]}.
- Thresholds: {_thresholds(study, facts.findings)}."""


def _thresholds(study: Study, findings: Findings) -> str:
    target = study.calibration.target_precision
    if target is None:
        return "those of the highest F1 on the validation clips, within 0.3 ... 0.7"
    chosen = findings.calibration.values()
    n_reached = sum(one.is_reached for one in chosen)
    return (
        f"the lowest with a precision of {target:g} on the validation clips, which {n_reached} of {len(chosen)} pairs "
        f"of head and class reach; {UNREACHED_THRESHOLD:g} for the others"
    )


def _data(study: Study, facts: CardFacts) -> str:
    lines = [f"- {dataset.name} ({dataset.format})" for dataset in study.dataset]
    lines += [f"- {source}" for source in study.export.sources]
    counts = f"Clips: {_counted(facts.n_clips)}."
    if any(facts.n_background.values()):
        counts += f" Background, none of the eight classes, among them: {_counted(facts.n_background)}."
    return "\n".join(["## Data", "", *lines, "", counts])


def _counted(n_clips: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {split}" for split, n in n_clips.items())


def _figures(facts: CardFacts) -> str:
    results = facts.results
    rows = []
    for name in results.heads:
        level = results.own_level(name)
        cell = results.matrix[name][level]
        interval = facts.findings.cells[name, level].macro_f1
        rows.append(
            f"| {name} | {level} | {cell.n_clips} | {cell.accuracy:.3f} | {cell.macro_f1:.3f} | "
            f"{interval.low:.3f} to {interval.high:.3f} |"
        )
    agreement = [
        f"- {one.runtime_version}: top-1 agreement with Keras {one.top1_agreement:.3f}, largest probability difference "
        f"{one.max_probability_difference:.3f}, {one.n_clips} comparisons"
        for one in facts.agreement.values()
    ]
    confidence, n_seeds = f"{100 * facts.findings.facts.confidence:.0f} %", facts.findings.facts.n_seeds
    of_seeds = f", mean of {n_seeds} heads" if n_seeds > 1 else ""
    head = [
        f"| head | tested at | clips | accuracy | macro-F1 | {confidence} over recordings{of_seeds} |",
        "|---|---|---:|---:|---:|---:|",
    ]
    verdict = [f"- {line}" for line in facts.findings.facts.verdict]
    return "\n".join([f"## Figures ({results.split} clips)", "", *head, *rows, "", *verdict, *agreement])


def _background(facts: CardFacts) -> str:
    rows = []
    for one in facts.findings.reported_background():
        if one.label == ANY_CLASS and one.tested == facts.results.own_level(one.trained):
            share = f"{one.share.value:.3f} ({one.share.low:.3f} to {one.share.high:.3f})"
            clips = f"{one.n_clips} {one.split}, {one.n_groups} recordings"
            rows.append(f"| {one.dataset} | {clips} | {one.trained} | {one.tested} | {one.n_detected} | {share} |")
    return "\n".join(
        [
            "## None of these",
            "",
            "Clips of none of the eight classes in which a class is detected all the same, at the thresholds above,",
            "which were chosen on the validation clips. They are to be set again on a site's own background.",
            "",
            "| clips of | number | head | tested at | with a detection | share, 95 % (Wilson) |",
            "|---|---|---|---|---:|---:|",
            *rows,
        ]
    )


def _limits(study: Study, facts: CardFacts) -> str:
    limits = [
        "The classes are SONYC-UST's eight; every other sound is a mistake waiting to happen. Set the thresholds on "
        "your site's own background before you count anything.",
        "One label is one clip. It says that a sound is there, not where, how loud, or whose.",
        "Not to be used to identify people or to understand speech.",
    ]
    return "\n".join(["## Limits", "", *(f"- {line}" for line in [*limits, *study.export.notes, *facts.notes])])
