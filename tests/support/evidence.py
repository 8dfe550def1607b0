"""What an agent that was killed again and again left behind, and what must be true of it."""

import itertools
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sonyc_contract.messages import LabelEvent
from sonyc_contract.stored import read_sidecar
from support.agents import AgentProcess, n_samples


def waiting_labels(agent: AgentProcess) -> list[LabelEvent]:
    """The labels in the outbox of an agent that does not run, read as its next run will."""
    path = agent.folder / "state" / "outbox.sqlite"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT payload FROM message WHERE kind = 'label'").fetchall()
    except sqlite3.OperationalError:  # killed before its tables were there
        rows = []
    finally:
        connection.close()
    return [LabelEvent.model_validate_json(payload) for (payload,) in rows]


@dataclass
class Evidence:
    """Labels that are known to have been written, labels that came, and the clips.

    Attributes:
        agent: Whose they are.
        rate_hz: The rate at which it captures.
        written: Clip ids of labels that were in the outbox or the log.
    """

    agent: AgentProcess
    rate_hz: int
    written: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Note what is written so far; to be called while the agent does not run."""
        self.written |= {label.clip_id for label in waiting_labels(self.agent)}
        self.written |= {record["clip_id"] for record in self.agent.records if record["message"] == "label"}

    def faults(self, received: list[LabelEvent]) -> list[str]:
        """Say everything that must not be so, given all labels that a receiver got."""
        by_identity: dict[tuple[str, int], LabelEvent] = {}
        found: list[str] = []
        for label in received:
            first = by_identity.setdefault((label.session, label.seq), label)
            if first != label:
                found.append(f"two labels are {label.session}-{label.seq}")
        labels = list(by_identity.values())
        found += [f"label {clip_id} never came" for clip_id in sorted(self.written - {one.clip_id for one in labels})]
        found += self._faults_of_order(labels)
        found += [fault for label in labels if label.audio.kept for fault in self._faults_of_clip(label)]
        return found

    def _faults_of_order(self, labels: list[LabelEvent]) -> list[str]:
        """Sequence numbers and samples of a run go on together; a run has two sessions where the disk took nothing."""
        sessions: dict[tuple[str, str], list[LabelEvent]] = defaultdict(list)
        runs: dict[str, list[LabelEvent]] = defaultdict(list)
        for label in sorted(labels, key=lambda label: (label.session, label.seq)):
            sessions[label.run, label.session].append(label)
        for label in sorted(labels, key=lambda label: label.sample_index):
            runs[label.run].append(label)
        return [
            f"run {one.run}: sample {following.sample_index} of {following.clip_id} is before the end of {one.clip_id}"
            for ordered in (*sessions.values(), *runs.values())
            for one, following in itertools.pairwise(ordered)
            if following.sample_index < one.sample_index + round(one.duration_s * self.rate_hz)
        ]

    def _faults_of_clip(self, label: LabelEvent) -> list[str]:
        paths = [path for path in self.agent.clips if path.stem == label.clip_id]
        if len(paths) != 1:
            return [f"clip {label.clip_id} is kept, says its label, but there are {len(paths)} files of it"]
        (path,) = paths
        if n_samples(path) != round(label.duration_s * label.storage_rate_hz):
            return [f"{path.name} does not decode to {label.duration_s:g} s"]
        sidecar = read_sidecar(path)  # checks the digest
        if sidecar is None or sidecar.probabilities != label.probabilities:
            return [f"{path.name}: sidecar and label differ"]
        return []


def left_overs(folder: Path) -> list[Path]:
    """Files that were never finished."""
    return sorted(path for path in folder.rglob("*") if path.name.endswith(".part"))
