"""A whole agent in this process: all parts real, but a clock, a microphone or models that a test commands."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from sonyc_contract.audio import FloatArray, to_int16
from sonyc_contract.bundle import EMBEDDING
from sonyc_contract.messages import ClockQuality
from sonyc_contract.recognise import Embedder
from sonyc_contract.runtime import Interpreter, open_interpreter
from sonyc_device.agent import Agent
from sonyc_device.assembly import Seams, make_classifier, open_agent
from sonyc_device.capture.source import SampleSink
from sonyc_device.classification import Classifier
from sonyc_device.config import NodeConfig, load_config
from sonyc_device.parts import Outcome
from support.agents import write_toml
from support.processes import wait_until
from support.signals import noise


class SetClock:
    """The machine's clock, put forward or back by a test."""

    def __init__(self, quality: ClockQuality = ClockQuality.SYNCED) -> None:
        self.ahead = timedelta()
        self.said_quality = quality

    def utc(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic_s(self) -> float:
        return time.monotonic()

    def quality(self) -> ClockQuality:
        return self.said_quality


class Street:
    """A microphone that hears noise when it is told to, however fast."""

    is_live = True

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._second = to_int16(noise(1.0, rate_hz))
        self._sink: SampleSink | None = None
        self.n_samples = 0

    def start(self, sink: SampleSink) -> None:
        self._sink = sink

    def stop(self) -> None:
        if self._sink is not None:
            self._sink.end()

    @property
    def is_started(self) -> bool:
        return self._sink is not None

    def hear(self, n_seconds: int) -> None:
        assert self._sink is not None
        for _ in range(n_seconds):
            self._sink.write(np.copy(self._second))
            self.n_samples += len(self._second)


class SlowInterpreter:
    """A model that takes longer when a test says so."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self.delay_s = 0.0

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._interpreter.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self._interpreter.output_shape

    def run(self, batch: FloatArray) -> FloatArray:
        time.sleep(self.delay_s)
        return self._interpreter.run(batch)


@dataclass
class WholeAgent:
    """An agent that runs in a thread, and what commands it."""

    agent: Agent
    street: Street
    clock: SetClock
    model: SlowInterpreter
    outcomes: list[Outcome] = field(default_factory=list)

    def finish(self) -> Outcome:
        """Ask it to stop, and give how it ended."""
        self.agent.stop()
        wait_until(lambda: bool(self.outcomes), what="the agent's end")
        return self.outcomes[0]

    def status(self) -> dict[str, Any]:
        """What it counted."""
        counts: Any = self.agent.status()["counts"]
        return dict(counts)


def slowed(config: NodeConfig) -> tuple[Classifier, SlowInterpreter]:
    """A node's classifier, and the model in it that can be slowed."""
    classifier = make_classifier(config)
    bundle = classifier.bundle
    model = SlowInterpreter(open_interpreter(bundle.members[EMBEDDING]))
    embedder = Embedder(bundle.manifest.embedding, model)
    classifier.recogniser = replace(classifier.recogniser, embedder=embedder)
    return classifier, model


@contextmanager
def whole_agent(folder: Path, tables: dict[str, Any], *, clock: SetClock | None = None) -> Iterator[WholeAgent]:
    """Run an agent in `folder`, until it is told to finish or the context ends."""
    folder.mkdir(parents=True, exist_ok=True)
    config = load_config(write_toml(folder / "node.toml", {"node_id": "node-1", "state_folder": "state", **tables}))
    clock, street = clock or SetClock(), Street(config.capture.rate_hz)
    classifier, model = slowed(config)
    with open_agent(config, seams=Seams(clock=clock, source=street, classifier=classifier)) as agent:
        whole = WholeAgent(agent, street, clock, model)
        thread = threading.Thread(target=lambda: whole.outcomes.append(agent.run(drain_timeout_s=1.0)))
        thread.start()
        try:
            wait_until(lambda: street.is_started, what="a microphone that is opened")
            yield whole
        finally:
            agent.stop()
            thread.join()
