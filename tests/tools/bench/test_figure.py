"""The figure, looked at by its own renderer: nothing is cut off, and there is one legend."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from sonyc_contract.bundle import read_bundle
from sonyc_contract.levels import Level
from sonyc_contract.runtime import Runtime
from sonyc_tools.bench.coding import Coding, CodingCost
from sonyc_tools.bench.document import as_csv, as_document, as_json
from sonyc_tools.bench.figure import draw, points
from sonyc_tools.bench.judging import Judgement
from sonyc_tools.bench.machine import this_machine
from sonyc_tools.bench.memory import RecogniserMemory
from sonyc_tools.bench.paste import as_block
from sonyc_tools.bench.peers import Peer, PeerCost
from sonyc_tools.bench.recognising import STEPS, Contender, Inference, RecogniserCost
from sonyc_tools.bench.replay import Replayed
from sonyc_tools.bench.report import Report
from sonyc_tools.bench.timing import Estimate

_LEVELS = (Level.PCM, Level.V5)
_LONG = "a_model_whose_name_is_as_long_as_published_files_are_named"


def _figure(median: float) -> Estimate:
    return Estimate(median, 0.9 * median, 1.2 * median, 20)


def _shown_numbers(axes: Axes) -> list[Text]:
    """Numbers on the axes; those beyond their ends are there, but not drawn."""
    across, up = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    return [
        *(label for label in axes.get_xticklabels() if across[0] <= label.get_position()[0] <= across[1]),
        *(label for label in axes.get_yticklabels() if up[0] <= label.get_position()[1] <= up[1]),
    ]


def _peer(name: str, ms_per_s: float, embedding: str) -> PeerCost:
    peer = Peer(name, "sonyc", None, 8_000, 1.0, lambda samples: [samples], lambda one: one, None, 10**8, 10**6, 256)
    return PeerCost(replace(peer, embedding=embedding), _figure(ms_per_s), None, None)


@pytest.fixture
def report(default_bundle: Path) -> Report:
    bundle = read_bundle(default_bundle)
    ours = Contender("default", default_bundle, bundle, Runtime.LITERT, 1, None)
    inference = [Inference(level, 4.0, 5.0, 6.0, 0.4, 0.01) for level in _LEVELS]
    return Report(
        machine=this_machine(),
        material="/a/folder/" * 30,
        took_s=1.0,
        n_reps=20,
        max_load=0.8,
        card_bytes=64 * 10**9,
        levels=_LEVELS,
        recognisers=[RecogniserCost(ours, _figure(0.3), dict.fromkeys(STEPS, _figure(0.1)), inference)],
        memory=[RecogniserMemory(40.0, 6.0)],
        codings=[CodingCost(Coding(level, 48_000), _figure(3), _figure(1), 3e7, 89.0) for level in _LEVELS],
        replays=[Replayed(level, 3, 3, 0, _figure(0.2), 77.0, 0.01, "mosquitto") for level in _LEVELS],
        peers=[_peer(f"{_LONG}_{k}", 0.9 + 0.4 * k, f"e{k}") for k in range(6)],
        judgements=[Judgement(f"e{k}", "pcm", 90, (0.5 + k / 10, 0.4 + k / 10, 0.6 + k / 10), None) for k in range(5)],
    )


@pytest.mark.parametrize("has_accuracy", [True, False])
@pytest.mark.parametrize("has_agent", [True, False])
def test_nothing_is_cut_off(report: Report, *, has_accuracy: bool, has_agent: bool) -> None:
    report = report if has_accuracy else replace(report, judgements=())
    figure = draw(report if has_agent else replace(report, replays=()))
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    assert len(figure.legends) == 1
    assert not any(axes.get_legend() for axes in figure.axes)
    texts = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    texts += [label for axes in figure.axes for label in _shown_numbers(axes)]
    for artist in (*texts, figure.legends[0]):
        box = artist.get_window_extent()
        if box.width:
            assert -1 <= box.x0 <= box.x1 <= width + 1, artist
            assert -1 <= box.y0 <= box.y1 <= height + 1, artist


def test_numbers_on_the_axis_do_not_overlap(report: Report) -> None:
    figure = draw(report)
    figure.canvas.draw()
    models = figure.axes[1]
    low, high = models.get_xlim()
    shown = [label.get_window_extent() for label in models.get_xticklabels() if low <= label.get_position()[0] <= high]
    edges = np.array(sorted((box.x0, box.x1) for box in shown))
    assert len(edges) >= 2
    assert (edges[1:, 0] > edges[:-1, 1]).all()


def test_models_are_placed_by_cost_and_accuracy(report: Report) -> None:
    found = {point.name: point for point in points(report)}
    assert found[f"{_LONG}_2"].macro_f1 == pytest.approx((0.7, 0.6, 0.8))
    assert found[f"{_LONG}_5"].macro_f1 is None
    assert found["default"].ms_per_s == 0.3


def test_lost_clips_and_overload_are_said_with_their_figures(report: Report) -> None:
    assert report.too_slow == []
    lost = replace(report, replays=[replace(report.replays[0], n_lost=2)])
    assert lost.too_slow == ["the agent at level pcm: 2 clips were lost in 3 replayed at real time"]
    slow = replace(report, max_load=0.005)
    (reason,) = slow.too_slow
    assert "coding and recognising take 10 ms per second of audio; at most 5 are allowed" in reason
    assert f"TOO SLOW: {reason}" in as_block(slow)
    assert as_document(slow)["keeps_up"] is False


def test_json_is_strict(report: Report) -> None:
    odd = replace(report, judgements=[Judgement("e0", "pcm", 9, (float("nan"), 0.1, float("inf")), None)])
    (judged,) = json.loads(as_json(odd), parse_constant=pytest.fail)["yardstick"]
    assert judged["macro_f1"] == [None, 0.1, None]


def test_ours_is_compared_as_the_peers_run(report: Report) -> None:
    ours = report.first
    others = [
        replace(ours, contender=replace(ours.contender, runtime=Runtime.TFLITE), ms_per_s=_figure(0.5)),
        replace(ours, contender=replace(ours.contender, n_threads=2), ms_per_s=_figure(0.4)),
    ]
    beside = replace(report, recognisers=[*others, ours], memory=[report.memory[0]] * 3)
    assert as_document(beside)["recogniser_ms_per_s"] == 0.3
    assert points(beside)[0].ms_per_s == 0.3
    alone = replace(beside, recognisers=others, memory=beside.memory[:2])
    assert as_document(alone)["recogniser_ms_per_s"] == 0.5


def test_figures_of_peers_are_top_level_keys(report: Report) -> None:
    document = as_document(report)
    assert document["recogniser_ms_per_s"] == 0.3
    assert document[f"{_LONG}_1_ms_per_s"] == pytest.approx(1.3)
    assert as_csv(report).count("\npeer,") == 6
