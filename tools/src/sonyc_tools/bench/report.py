"""Everything that one run of the benchmark found, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sonyc_contract.levels import Level
from sonyc_contract.runtime import Runtime
from sonyc_tools.bench.accuracy import Accuracy
from sonyc_tools.bench.coding import CodingCost
from sonyc_tools.bench.judging import Judgement
from sonyc_tools.bench.machine import Machine
from sonyc_tools.bench.memory import RecogniserMemory
from sonyc_tools.bench.openl3_peer import OpenL3Cost
from sonyc_tools.bench.peers import PeerCost
from sonyc_tools.bench.recognising import RecogniserCost
from sonyc_tools.bench.replay import Replayed


@dataclass(frozen=True)
class Report:
    """What one run found.

    Attributes:
        machine: What it ran on.
        material: What it was measured on, in words.
        took_s: How long the run took.
        n_reps: How often everything was repeated.
        max_load: Which share of the time coding and recognising may take.
        card_bytes: How much the card holds.
        levels: Those that were asked for.
        recognisers: A bundle on a runtime with a number of threads each; the first is the one the agent ran.
        memory: What each of them adds to a process, in the same order.
        codings: Every level at every storage rate.
        replays: The agent, a level each.
        peers: The models to compare with.
        openl3: The openl3 package, where it is installed and peers were asked for.
        accuracies: Of each bundle at each level, on labelled audio.
        judgements: Of embeddings.
        notes: What was left out, and why.
    """

    machine: Machine
    material: str
    took_s: float
    n_reps: int
    max_load: float
    card_bytes: int
    levels: Sequence[Level]
    recognisers: Sequence[RecogniserCost]
    memory: Sequence[RecogniserMemory]
    codings: Sequence[CodingCost]
    replays: Sequence[Replayed] = ()
    peers: Sequence[PeerCost] = ()
    openl3: OpenL3Cost | None = None
    accuracies: Sequence[Accuracy] = ()
    judgements: Sequence[Judgement] = ()
    notes: Sequence[str] = ()

    @property
    def first(self) -> RecogniserCost:
        """The recogniser that the agent ran."""
        return self.recognisers[0]

    @property
    def reference(self) -> RecogniserCost:
        """The recogniser that peers are compared with: as they run, on ai-edge-litert with one thread, if it was."""
        alike = (one for one in self.recognisers if one.contender.runtime is Runtime.LITERT)
        return next((one for one in alike if one.contender.n_threads == 1), self.first)

    @property
    def too_slow(self) -> list[str]:
        """Say, with the figure, what does not keep up with real time here."""
        found = []
        for cost in self.recognisers:
            worst = max(cost.inference, key=lambda one: one.load)
            if worst.load > self.max_load:
                found.append(
                    f"{cost.contender} at level {worst.level}, hop {cost.contender.spec.hop_s:g} s: coding and "
                    f"recognising take {1_000 * worst.load:.3g} ms per second of audio; at most "
                    f"{1_000 * self.max_load:.3g} are allowed"
                )
        found += [
            f"the agent at level {one.level}: {one.n_lost} clips were lost in {one.n_clips} replayed at real time"
            for one in self.replays
            if one.n_lost
        ]
        return found

    def judgement_of(self, embedding: str) -> Judgement | None:
        """Find what the yardstick says of an embedding, at the first level that it was judged at."""
        return next((one for one in self.judgements if one.embedding == embedding), None)
