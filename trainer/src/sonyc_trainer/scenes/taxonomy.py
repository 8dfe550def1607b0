"""SONYC-UST's taxonomy, and the columns of `annotations.csv` as version 2.3 publishes them."""

from typing import Final

from sonyc_contract.labels import LABELS

FINE: Final[dict[str, dict[str, str]]] = {
    "engine": {
        "1": "small-sounding-engine",
        "2": "medium-sounding-engine",
        "3": "large-sounding-engine",
        "X": "engine-of-uncertain-size",
    },
    "machinery-impact": {
        "1": "rock-drill",
        "2": "jackhammer",
        "3": "hoe-ram",
        "4": "pile-driver",
        "X": "other-unknown-impact-machinery",
    },
    "non-machinery-impact": {"1": "non-machinery-impact"},
    "powered-saw": {
        "1": "chainsaw",
        "2": "small-medium-rotating-saw",
        "3": "large-rotating-saw",
        "X": "other-unknown-powered-saw",
    },
    "alert-signal": {
        "1": "car-horn",
        "2": "car-alarm",
        "3": "siren",
        "4": "reverse-beeper",
        "X": "other-unknown-alert-signal",
    },
    "music": {
        "1": "stationary-music",
        "2": "mobile-music",
        "3": "ice-cream-truck",
        "X": "music-from-uncertain-source",
    },
    "human-voice": {
        "1": "person-or-small-group-talking",
        "2": "person-or-small-group-shouting",
        "3": "large-crowd",
        "4": "amplified-speech",
        "X": "other-unknown-human-voice",
    },
    "dog": {"1": "dog-barking-whining"},
}
"""Of each coarse class the fine ones by their id; `X` is what cannot be told more finely."""

FINE_KEYS: Final = tuple(
    f"{number}-{fine}_{FINE[label][fine]}" for number, label in enumerate(LABELS, 1) for fine in FINE[label]
)
"""Such as `1-1_small-sounding-engine`; 29 of them."""

COARSE_KEYS: Final = tuple(f"{number}_{label}" for number, label in enumerate(LABELS, 1))
"""Such as `1_engine`; 8 of them."""

CONTEXT_COLUMNS: Final = (
    "split", "sensor_id", "audio_filename", "annotator_id", "borough", "block", "latitude", "longitude", "year",
    "week", "day", "hour",
)  # fmt: skip

COLUMNS: Final = (
    *CONTEXT_COLUMNS,
    *(f"{key}_presence" for key in FINE_KEYS),
    *(f"{key}_proximity" for key in FINE_KEYS),
    *(f"{key}_presence" for key in COARSE_KEYS),
)
"""All 78 columns of V2.3's table, in its order."""


def fine_key(label: str, fine: str) -> str:
    """Key of a fine class in the table, such as `5-3_siren`."""
    return f"{LABELS.index(label) + 1}-{fine}_{FINE[label][fine]}"


def coarse_key(label: str) -> str:
    """Key of a coarse class in the table, such as `5_alert-signal`."""
    return COARSE_KEYS[LABELS.index(label)]


def taxonomy_yaml() -> str:
    """Write the taxonomy as the text of `dcase-ust-taxonomy.yaml`."""
    lines = ["fine:"]
    for number, label in enumerate(LABELS, 1):
        lines += [f"    {number}:", *(f"        {fine}: {name}" for fine, name in FINE[label].items())]
    lines += ["", "coarse:", *(f"    {number}: {label}" for number, label in enumerate(LABELS, 1))]
    return "\n".join(lines) + "\n"
