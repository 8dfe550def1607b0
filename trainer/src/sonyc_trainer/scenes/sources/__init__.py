"""What sounds in a street: one synthesiser per class, each a drawn description and a function that plays it."""

from collections.abc import Callable
from typing import Final

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.settings import Rng
from sonyc_trainer.scenes.sources.alerts import draw_signal, signalling
from sonyc_trainer.scenes.sources.dog import barking, draw_dog
from sonyc_trainer.scenes.sources.engine import draw_engine, engine_sound
from sonyc_trainer.scenes.sources.impacts import draw_hammer, draw_impact, hammering, impacts
from sonyc_trainer.scenes.sources.music import draw_tune, playing
from sonyc_trainer.scenes.sources.saw import draw_saw, sawing
from sonyc_trainer.scenes.sources.voice import voices


def synthesise(label: str, kind: str, n_samples: int, rng: Rng) -> FloatArray:
    """Make the sound of one event at its source.

    Args:
        label: One of SONYC's eight classes.
        kind: Id of the fine class that it sounds like.
        n_samples: Length.
        rng: Where its every detail is drawn from.

    Returns:
        float32 [n_samples] of any level.
    """
    return _SYNTHESISERS[label](kind, n_samples, rng)


_SYNTHESISERS: Final[dict[str, Callable[[str, int, Rng], FloatArray]]] = {
    "engine": lambda kind, n, rng: engine_sound(draw_engine(kind, rng), n, rng),
    "machinery-impact": lambda kind, n, rng: hammering(draw_hammer(kind, rng), n, rng),
    "non-machinery-impact": lambda _, n, rng: impacts(draw_impact(rng), n, rng),
    "powered-saw": lambda kind, n, rng: sawing(draw_saw(kind, rng), n, rng),
    "alert-signal": lambda kind, n, rng: signalling(draw_signal(kind, n, rng), n, rng),
    "music": lambda kind, n, rng: playing(draw_tune(kind, rng), n, rng),
    "human-voice": voices,
    "dog": lambda _, n, rng: barking(draw_dog(n, rng), n, rng),
}
