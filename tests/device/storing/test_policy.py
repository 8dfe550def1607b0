"""What is kept: decided on all of the scores, before anything is written."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_contract.errors import ConfigError
from sonyc_contract.labels import LABEL_INDEX, LABELS
from sonyc_contract.messages import AudioReason
from sonyc_contract.recognise import Scores
from sonyc_device.config import NodeConfig, StoreMode, StoreSettings
from sonyc_device.effective import Overrides, effective_of
from sonyc_device.storing.policy import decide, draw
from support.stored_clips import SESSION

RECIPIENT = "age1" + "q" * 58
KEEPING = [mode for mode in StoreMode if mode is not StoreMode.NONE]


def scores(detections: tuple[str, ...] = (), **peaks: float) -> Scores:
    """Scores with some peaks, the clip's own probabilities well below them."""
    values = np.array([peaks.get(name.replace("-", "_"), 0.0) for name in LABELS])
    return Scores(values / 10, detections, "any", 10, is_short=False, is_silent=False, peaks=values)


def settings(mode: StoreMode, **keys: object) -> StoreSettings:
    return StoreSettings.model_validate({"mode": mode, "clear": True, **keys})


def reason(mode: StoreMode, found: Scores, clip_id: str = f"{SESSION}-1", **keys: Any) -> AudioReason:
    decision = decide(settings(mode, **keys), clip_id, found)
    keeps = {AudioReason.MODE_ALL, AudioReason.DETECTION, AudioReason.FRACTION}
    assert decision.is_kept == (decision.reason in keeps)
    return decision.reason


def test_modes() -> None:
    dog = scores(("dog",), dog=0.9)
    assert reason(StoreMode.NONE, dog) is AudioReason.MODE_NONE
    assert reason(StoreMode.ALL, scores()) is AudioReason.MODE_ALL
    assert reason(StoreMode.DETECTIONS, dog) is AudioReason.DETECTION
    assert reason(StoreMode.DETECTIONS, scores(dog=0.9)) is AudioReason.NO_DETECTION
    assert reason(StoreMode.DETECTIONS, dog, classes=["music", "engine"]) is AudioReason.NO_DETECTION
    assert reason(StoreMode.FRACTION, scores(), fraction=1.0) is AudioReason.FRACTION
    assert reason(StoreMode.FRACTION, scores(), fraction=1e-9) is AudioReason.NOT_IN_FRACTION


@pytest.mark.parametrize("mode", [StoreMode.DETECTIONS, StoreMode.FRACTION])
def test_veto_looks_at_every_window_and_comes_before_all_else(mode: StoreMode) -> None:
    """Speech of a second, which the clip's own probability hides and no threshold of detection sees."""
    for found in (
        scores(("dog",), dog=1.0, human_voice=0.2),
        scores(("dog", "human-voice"), dog=1.0, human_voice=0.1),
        scores(("dog",), dog=1.0, human_voice=float("nan")),
    ):
        assert reason(mode, found, fraction=1.0) is AudioReason.VETO
    assert reason(mode, scores(("dog",), dog=1.0, human_voice=0.1999), fraction=1.0) is not AudioReason.VETO
    assert reason(mode, scores(("dog",), dog=1.0, human_voice=0.9), fraction=1.0, veto=[]) is not AudioReason.VETO


def test_veto_of_other_classes_and_another_threshold() -> None:
    found = scores(("dog",), dog=1.0, music=0.05)
    keys: dict[str, Any] = {"veto": ["human-voice", "music"], "veto_threshold": 0.05, "fraction": 1.0}
    assert reason(StoreMode.FRACTION, found, **keys) is AudioReason.VETO
    assert reason(StoreMode.FRACTION, found, **{**keys, "veto_threshold": 0.06}) is AudioReason.FRACTION


def test_mode_all_means_all() -> None:
    assert reason(StoreMode.ALL, scores(("human-voice",), human_voice=1.0)) is AudioReason.MODE_ALL


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.sampled_from([StoreMode.DETECTIONS, StoreMode.FRACTION]))
def test_nothing_is_kept_at_or_over_the_threshold(peaks: list[float], mode: StoreMode) -> None:
    values = np.array(peaks)
    found = Scores(values, tuple(LABELS), "any", 1, is_short=False, is_silent=False, peaks=values)
    decision = decide(settings(mode, fraction=1.0), f"{SESSION}-1", found)
    assert decision.reason is AudioReason.VETO  # detected
    unseen = Scores(values, ("dog",), "any", 1, is_short=False, is_silent=False, peaks=values)
    is_vetoed = decide(settings(mode, fraction=1.0), f"{SESSION}-1", unseen).reason is AudioReason.VETO
    assert is_vetoed == (values[LABEL_INDEX["human-voice"]] >= 0.2)


def test_fraction_is_a_share_that_the_id_alone_decides() -> None:
    ids = [f"{SESSION}-{seq}" for seq in range(1, 20_001)]
    lots = np.array([draw(clip_id) for clip_id in ids])
    assert ((lots >= 0) & (lots < 1)).all()
    for share in (0.01, 0.1, 0.5):
        assert (lots < share).mean() == pytest.approx(share, abs=0.01)
    assert draw(f"{SESSION}-1") == 0.38798031057526583  # on every machine, for ever
    kept = [reason(StoreMode.FRACTION, scores(), clip_id, fraction=0.1) is AudioReason.FRACTION for clip_id in ids]
    assert kept == list(lots < 0.1)


def refusal_of(store: StoreSettings, mode: StoreMode) -> str:
    """Why a command may not choose a mode on a node with such a file; empty where it may."""
    try:
        effective_of(NodeConfig(node_id="node-1", store=store), Overrides(store_mode=mode))
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("mode", StoreMode)
def test_command_may_choose_what_the_file_could_have_had(mode: StoreMode) -> None:
    assert refusal_of(StoreSettings(clear=True), mode) == ""
    assert refusal_of(StoreSettings(recipients=(RECIPIENT,)), mode) == ""


@pytest.mark.parametrize("mode", KEEPING)
def test_command_may_not_choose_to_keep_where_nothing_may_be_kept(mode: StoreMode) -> None:
    refusal = refusal_of(StoreSettings(), mode)
    assert refusal.startswith(f"mode = '{mode}' keeps recordings that anybody with the card can hear")
    assert refusal_of(StoreSettings(), StoreMode.NONE) == ""
    only_dogs = StoreSettings.model_validate({"clear": True, "classes": ["dog"], "veto": ["dog"]})
    assert (refusal_of(only_dogs, mode) == "") == (mode is not StoreMode.DETECTIONS)
