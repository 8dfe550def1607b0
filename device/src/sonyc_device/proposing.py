"""Listens to a node's site, and proposes the thresholds that its background seldom reaches."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from sonyc_contract.errors import ConfigError
from sonyc_contract.labels import LABELS
from sonyc_device.assembly import Seams, make_tested_classifier
from sonyc_device.background import Heard, Stretch, config_in_effect, hear, require_free_microphone, stretches
from sonyc_device.config import CaptureKind, NodeConfig
from sonyc_device.errors import TooLittleHeardError
from sonyc_device.false_alarms import MIN_CLIPS, Allowed, Proposal, propose
from sonyc_device.keeping_up import measure_speed, recorded_share, require_speed

ALARMS_PER_DAY: Final = 10.0
"""Of one class: about one clip in a thousand, where clips of 10 s follow each other."""
DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class SiteReport:
    """What was heard at a site, and what is proposed.

    Attributes:
        heard: What was heard.
        config: What was in effect.
        bundle: The bundle's SHA-256.
        head: The head that scored.
        allowed: How many false alarms may be raised.
        proposals: By class.
        alarms: When each class was detected at the bundle's own threshold.
    """

    heard: Heard
    config: NodeConfig
    bundle: str
    head: str
    allowed: Allowed
    proposals: Mapping[str, Proposal]
    alarms: Mapping[str, list[Stretch]]

    @property
    def heard_s(self) -> float:
        """How many seconds of clips the proposals are made of."""
        return len(self.heard.clips) * self.config.capture.clip_s

    def toml(self) -> str:
        """Give the table for the node's file; empty where the bundle's thresholds do, whatever was real."""
        raised, if_false = list(self._raised()), list(self._raised_if_false())
        if not raised and not if_false:
            return ""
        day, level = self.heard.clips[0].start_utc.date(), self.config.served_level
        lines = [
            "[classify.thresholds]",
            f"# {self.heard_s:g} s heard on {day}, level {level}, bundle {self.bundle[:12]}",
        ]
        lines += raised
        if if_false:
            lines += ["# What was heard over the bundle's thresholds counts as real here. Where it was not:", *if_false]
        return "\n".join(lines)

    def _raised(self) -> Iterator[str]:
        for label, proposal in self.proposals.items():
            if proposal.threshold is not None and proposal.threshold.value > proposal.own:
                lost = (
                    f"  # would miss {proposal.n_lost} of the {proposal.n_alarms} clips heard over {proposal.own:.3f}"
                )
                yield f"{label} = {proposal.threshold.value:.3f}{lost if proposal.n_lost else ''}"

    def _raised_if_false(self) -> Iterator[str]:
        for label, proposal in self.proposals.items():
            if proposal.threshold_if_false is not None and proposal.threshold_if_false.value > proposal.own:
                yield f"# {label} = {proposal.threshold_if_false.value:.3f}"

    def document(self) -> dict[str, Any]:
        """Give all of it for JSON."""
        heard = self.heard
        return {
            "heard_s": self.heard_s,
            "n_clips": len(heard.clips),
            "n_silent": heard.n_silent,
            "n_failed": heard.n_failed,
            "interrupted": heard.was_interrupted,
            "error": None if heard.error is None else str(heard.error),
            "bundle": self.bundle,
            "level": self.config.served_level.value,
            "head": self.head,
            "allowed_alarms_per_day": self.allowed.per_day,
            "clips_per_day": self.allowed.clips_per_day,
            "classes": {
                label: {**asdict(proposal), "alarms": [_said(stretch) for stretch in self.alarms[label]]}
                for label, proposal in self.proposals.items()
            },
            "toml": self.toml(),
        }


def propose_for_site(
    config: NodeConfig,
    *,
    for_s: float,
    alarms_per_day: float,
    on_clip: Callable[[Heard], None],
    seams: Seams | None = None,
) -> SiteReport:
    """Listen with a node's microphone, or to the files that it replays, and propose thresholds.

    Args:
        config: The node's.
        for_s: For how many seconds.
        alarms_per_day: How many false alarms a class may raise in a day.
        on_clip: Told of each clip, with all before it.
        seams: Clock, source and classifier, where they are not to be the machine's own.

    Raises:
        ConfigError: `for_s` is too short for a proposal.
        AgentRunningError: the node's agent holds the microphone.
        TooLittleHeardError: it ended too early for a proposal, or too much was silence.
        ContractError, DeviceError: microphone, files or bundle cannot be used, or this machine cannot keep up.
    """
    clip_s = config.capture.clip_s
    if for_s < MIN_CLIPS * clip_s:
        raise ConfigError(
            f"{for_s:g} s are {int(for_s / clip_s)} clips of {clip_s:g} s, too few for a proposal: listen for "
            f"{MIN_CLIPS * clip_s:g} s or longer"
        )
    seams = seams or Seams()
    if seams.source is None:
        require_free_microphone(config)
    classifier = seams.classifier or make_tested_classifier(config)
    config = config_in_effect(config, classifier.bundle)
    if config.capture.source is CaptureKind.MICROPHONE:
        require_speed(measure_speed(classifier, config), config)
    heard = hear(config, classifier, for_s=for_s, on_clip=on_clip, seams=seams)
    _require_enough(heard, clip_s)
    head = heard.clips[0].scores.head
    probabilities = np.stack([clip.scores.probabilities for clip in heard.clips])
    own = classifier.bundle.manifest.heads[head].thresholds
    allowed = Allowed(alarms_per_day, DAY_S / clip_s * recorded_share(config.capture))
    return SiteReport(
        heard=heard,
        config=config,
        bundle=classifier.bundle.digest,
        head=head,
        allowed=allowed,
        proposals={label: propose(probabilities[:, k], own[k], allowed) for k, label in enumerate(LABELS)},
        alarms={label: stretches(heard.clips, label, clip_s=clip_s) for label in LABELS},
    )


def _require_enough(heard: Heard, clip_s: float) -> None:
    n_clips = len(heard.clips)
    if n_clips >= MIN_CLIPS:
        return
    if heard.error is not None:
        raise heard.error
    raise TooLittleHeardError(
        f"too little was heard: {n_clips} clips of {clip_s:g} s, {heard.n_silent} silent ones and {heard.n_failed} "
        f"that could not be scored; a proposal needs {MIN_CLIPS}: listen for longer, while the schedule is open"
    )


def _said(stretch: Stretch) -> dict[str, object]:
    return {
        "start_utc": stretch.start_utc.isoformat(),
        "end_utc": stretch.end_utc.isoformat(),
        "n_clips": stretch.n_clips,
        "highest": stretch.highest,
    }
