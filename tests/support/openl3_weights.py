"""Weights for OpenL3's real network, random but seeded, in the package's own format."""

import warnings
from pathlib import Path
from typing import Any

from sonyc_trainer.tensorflow_session import tensorflow_session


def write_openl3_weights(path: Path, *, input_repr: str = "mel256", seed: int = 1) -> Path:
    """Build the network with the package, give it random weights and save them as the package's own are saved."""
    with tensorflow_session(seed=seed, log=path.with_suffix(".log")):
        from openl3.models import AUDIO_MODELS

        AUDIO_MODELS[input_repr](include_frontend=False).save_weights(path)
    return path


def package_embedding(path: Path, audio: Any, *, input_repr: str, size: int, hop_s: float, centre: bool) -> Any:
    """Give what the package itself gives, float32 [n_windows, size], with its own front end, for audio at 48 kHz."""
    with tensorflow_session(seed=0, log=path.with_suffix(".log")), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openl3

        model = openl3.models.load_audio_embedding_model_from_path(str(path), input_repr, size)
        vectors, _ = openl3.get_audio_embedding(
            audio, 48_000, model=model, hop_size=hop_s, center=centre, verbose=False
        )
        return vectors
