"""What is to be measured."""

from dataclasses import dataclass, field
from pathlib import Path

from sonyc_contract.levels import Level
from sonyc_contract.runtime import Runtime


@dataclass(frozen=True)
class Judging:
    """How embeddings are judged: `sonyc-trainer yardstick`, as a process.

    Attributes:
        study: Its study; None makes one of the labelled audio.
        datasets: Folders of the study's datasets, by name.
        models: Files of its models, by name, beside those found among the peers.
        cache: Folder of embeddings that runs share.
        by_fold: `NAME=A,B,C`: variants of the study that are judged as one, a fold each. Ours is `compact`.
    """

    study: Path | None = None
    datasets: dict[str, Path] = field(default_factory=dict)
    models: dict[str, Path] = field(default_factory=dict)
    cache: Path | None = None
    by_fold: tuple[str, ...] = ()


@dataclass(frozen=True)
class BenchSettings:
    """What is to be measured.

    Attributes:
        bundles: Files; the first is what the agent runs. Empty is the one that sonyc-device ships.
        audio: The user's audio; None is the built-in scenes.
        levels: None is those that the first bundle was trained for.
        rates_hz: Storage rates beside the bundles' own.
        runtimes: None is those that are installed.
        threads: Numbers of threads of the runtime.
        hop_s: From window to window, instead of the bundles'.
        card_bytes: How much a card holds.
        n_reps: How often everything is repeated.
        max_timing_s: For how long at most.
        n_agent_clips: How many clips of 10 s an agent replays at real time, per level; 0 starts none.
        max_load: Which share of the time coding and recognising may take.
        peers: Folder of models to compare with.
        judging: How they are judged.
    """

    bundles: tuple[Path, ...] = ()
    audio: Path | None = None
    levels: tuple[Level, ...] | None = None
    rates_hz: tuple[int, ...] = (16_000,)
    runtimes: tuple[Runtime, ...] | None = None
    threads: tuple[int, ...] = (1,)
    hop_s: float | None = None
    card_bytes: int = 64 * 10**9
    n_reps: int = 20
    max_timing_s: float = 60.0
    n_agent_clips: int = 3
    max_load: float = 0.8
    peers: Path | None = None
    judging: Judging = Judging()
