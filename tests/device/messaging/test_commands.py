"""Commands: applied whole and kept, refused with a reason, answered once and for all, never beyond the node's file."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonyc_contract.commands import MAX_COMMAND_BYTES, Operation
from sonyc_contract.errors import ConfigError, LevelError
from sonyc_contract.levels import Level
from sonyc_device.config import CaptureMode, CaptureSettings, ClassifySettings, NodeConfig, StoreMode, StoreSettings
from sonyc_device.effective import Effective, effective_of
from sonyc_device.messaging.commands import Desk, Listeners
from sonyc_device.messaging.messenger import Received
from sonyc_device.messaging.rows import Draft
from support.desks import TOPIC, make_desk

RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
PLAIN = NodeConfig(node_id="node-1")
SEALING = PLAIN.model_copy(update={"store": StoreSettings(recipients=(RECIPIENT,))})
THRESHOLDS = PLAIN.model_copy(update={"classify": ClassifySettings(thresholds={"dog": 0.6, "music": 0.7})})
SAMPLING = PLAIN.model_copy(update={"capture": CaptureSettings(mean_gap_s=50.0)})


class Site:
    """A desk in a folder, and what it said."""

    def __init__(self, folder: Path, config: NodeConfig = PLAIN, **options: Any) -> None:
        self.path = folder / "commands.json"
        self.said: list[Draft] = []
        self.n_changes = self.n_statuses = 0
        self.desk: Desk = make_desk(self.path, config, lambda *drafts: self.said.extend(drafts), **options)
        self.desk.listeners = Listeners(self._changed, self._asked)

    def _changed(self) -> None:
        self.n_changes += 1

    def _asked(self) -> None:
        self.n_statuses += 1

    @property
    def now(self) -> Effective:
        return self.desk.in_effect.now

    def tell(self, operation: str, command_id: str, payload: Any, *, retained: bool = False) -> dict[str, Any]:
        """Send a command, and give its answer."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.desk.take(Received(f"{TOPIC}/cmd/{operation}/{command_id}", data, retained))
        answers = [draft for draft in self.said if draft.topic == f"cmd/{operation}/{command_id}/ack"]
        answer: dict[str, Any] = json.loads(answers[-1].payload)
        return answer


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_level_is_set_from_the_next_clip_on(site: Site) -> None:
    before = site.now
    answer = site.tell("set-level", "42", {"level": "v7"})
    assert (answer["schema"], answer["node"], answer["op"], answer["id"]) == (
        "sonyc.ack/1",
        "node-1",
        "set-level",
        "42",
    )
    assert (answer["result"], answer["reason"]) == ("applied", "")
    assert answer["settings"] == {
        "level": "v7",
        "store_mode": "none",
        "capture_mode": "continuous",
        "thresholds": {},
        "overridden": ["store.level"],
        "config_hash": site.now.config_hash,
    }
    assert (before.config.store.level, site.now.config.store.level) == (Level.V5, Level.V7)
    assert before.config_hash != site.now.config_hash
    assert (site.n_changes, site.desk.counts.applied) == (1, 1)
    assert [(draft.kind, draft.retain) for draft in site.said] == [("ack", True)]


def test_thresholds_are_set_as_a_whole(site: Site) -> None:
    site.tell("set-thresholds", "1", {"thresholds": {"dog": 0.2, "music": 0.9}})
    site.tell("set-thresholds", "2", {"thresholds": {"dog": 0.3}})
    assert site.now.thresholds == {"dog": 0.3}
    answer = site.tell("set-thresholds", "3", {"thresholds": None})
    assert (site.now.thresholds, answer["settings"]["overridden"]) == ({}, [])
    assert site.now.config_hash == effective_of(PLAIN).config_hash


def test_modes_are_set_within_what_the_file_permits(tmp_path: Path) -> None:
    site = Site(tmp_path, SEALING)
    assert site.tell("set-store-mode", "1", {"mode": "detections"})["result"] == "applied"
    assert site.now.config.store.mode is StoreMode.DETECTIONS
    assert site.now.config.store.recipients == (RECIPIENT,)
    other = Site(tmp_path / "..", SAMPLING)
    assert other.tell("set-capture-mode", "1", {"mode": "sampled"})["result"] == "applied"
    assert other.now.config.capture.mode is CaptureMode.SAMPLED
    other.path.unlink()


def test_status_asks_for_health_and_changes_nothing(site: Site) -> None:
    answer = site.tell("status", "now", {})
    assert (answer["result"], answer["settings"]["level"], site.n_statuses, site.n_changes) == ("applied", "v5", 1, 0)
    assert not site.path.exists()


@pytest.mark.parametrize(
    ("operation", "payload", "reason"),
    [
        ("set-level", {"level": "v10"}, "key 'level': Input should be 'pcm', 'v0'"),
        ("set-level", {}, "key 'level' is missing"),
        ("set-level", {"level": "v7", "clear": True}, "unknown key 'clear'"),
        ("set-level", b"v7", "Invalid JSON"),
        ("set-level", b"\xff\xfe", "Invalid JSON"),
        ("set-level", b"v" * (MAX_COMMAND_BYTES + 1), "a command has at most 4096 bytes"),
        ("set-thresholds", {"thresholds": {"cat": 0.5}}, "must have only classes of engine"),
        ("set-thresholds", {"thresholds": {"dog": 7}}, "less than or equal to 1"),
        ("set-store-mode", {"mode": "all"}, "keeps recordings that anybody with the card can hear"),
        ("set-store-mode", {"mode": "everything"}, "Input should be 'none', 'all', 'detections' or 'fraction'"),
        ("set-store-mode", {"mode": "all", "recipients": [RECIPIENT]}, "unknown key 'recipients'"),
        ("set-capture-mode", {"mode": "sampled"}, "mode = 'sampled' needs mean_gap_s or duty_cycle"),
        ("set-clear", {"clear": True}, "unknown command 'set-clear': there are set-level, set-thresholds"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_reason(site: Site, operation: str, payload: Any, reason: str) -> None:
    before = site.now
    answer = site.tell(operation, "1", payload)
    assert answer["result"] == "refused"
    assert reason in answer["reason"]
    assert "\n" not in answer["reason"]
    assert site.now is before
    assert (site.n_changes, site.desk.counts.refused, site.path.exists()) == (0, 1, False)


def test_level_without_a_head_is_refused(tmp_path: Path) -> None:
    def require(effective: Effective) -> None:
        if effective.config.store.level is Level.V1:
            raise LevelError("no head for level 'v1'")

    site = Site(tmp_path, require_possible=require)
    assert site.tell("set-level", "1", {"level": "v1"})["reason"] == "no head for level 'v1'"
    assert site.tell("set-level", "2", {"level": "v2"})["result"] == "applied"


@pytest.mark.parametrize("topic", [
    f"{TOPIC}/cmd/set-level/", f"{TOPIC}/cmd/set-level/a.b", f"{TOPIC}/cmd/set-level/{'x' * 65}", f"{TOPIC}/cmd/Set/1",
    f"{TOPIC}/cmd/set-level/1/ack", "sonyc/v1/node-2/cmd/set-level/1", "cmd/set-level/1", f"{TOPIC}/cmd/set-level/é",
])  # fmt: skip
def test_command_without_a_usable_name_is_ignored(site: Site, topic: str) -> None:
    site.desk.take(Received(topic, b'{"level": "v7"}', retained=True))
    assert (site.said, site.desk.counts.ignored, site.now.config.store.level) == ([], 1, Level.V5)


def test_clearing_a_command_is_no_command(site: Site) -> None:
    site.desk.take(Received(f"{TOPIC}/cmd/set-level/1", b"", retained=False))
    assert (site.said, site.desk.counts.ignored) == ([], 0)


def test_retained_command_is_cleared_after_its_answer(site: Site) -> None:
    site.tell("set-level", "1", {"level": "v7"}, retained=True)
    assert [(draft.topic, draft.payload == b"", draft.retain) for draft in site.said] == [
        ("cmd/set-level/1/ack", False, True),
        ("cmd/set-level/1", True, True),
    ]


def test_command_that_comes_twice_is_applied_once(site: Site, tmp_path: Path) -> None:
    first = site.tell("set-level", "1", {"level": "v7"})
    site.tell("set-level", "2", {"level": "v3"})
    assert site.tell("set-level", "1", {"level": "v7"}) == first
    assert (site.now.config.store.level, site.desk.counts.applied) == (Level.V3, 2)
    again = Site(tmp_path)
    assert again.tell("set-level", "1", {"level": "v7"}) == first, "after a restart too"
    assert again.now.config.store.level is Level.V3
    refused = site.tell("set-level", "3", {"level": "v99"})
    assert site.tell("set-level", "3", {"level": "v7"}) == refused


def test_what_was_commanded_outlives_a_restart(site: Site, tmp_path: Path) -> None:
    site.tell("set-level", "1", {"level": "v7"})
    site.tell("set-thresholds", "2", {"thresholds": {"dog": 0.25}})
    again = Site(tmp_path)
    assert (again.now.config.store.level, again.now.thresholds) == (Level.V7, {"dog": 0.25})
    assert (again.now.config_hash, again.desk.problems) == (site.now.config_hash, ())
    again.tell("set-level", "3", {"level": None})
    assert Site(tmp_path).now.config.store.level is Level.V5


def test_file_that_was_changed_since_wins_where_it_was_changed(site: Site, tmp_path: Path) -> None:
    site.tell("set-level", "1", {"level": "v7"})
    site.tell("set-thresholds", "2", {"thresholds": {"dog": 0.25}})
    newer = PLAIN.model_copy(update={"store": StoreSettings(level=Level.V3)})
    again = Site(tmp_path, newer)
    assert (again.now.config.store.level, again.now.thresholds) == (Level.V3, {"dog": 0.25})
    assert again.desk.problems == ("a command for level holds no more: the node's file was changed there since",)
    back = Site(tmp_path)
    assert back.now.config.store.level is Level.V5, "what was dropped does not come back"


def test_commanded_thresholds_go_before_the_files_until_that_is_changed(tmp_path: Path) -> None:
    site = Site(tmp_path, THRESHOLDS)
    assert (site.now.thresholds, site.now.overridden) == ({"dog": 0.6, "music": 0.7}, ())
    site.tell("set-thresholds", "1", {"thresholds": {"dog": 0.25}})
    assert Site(tmp_path, THRESHOLDS).now.thresholds == {"dog": 0.25, "music": 0.7}
    newer = PLAIN.model_copy(update={"classify": ClassifySettings(thresholds={"dog": 0.8})})
    again = Site(tmp_path, newer)
    assert (again.now.thresholds, len(again.desk.problems)) == ({"dog": 0.8}, 1)


def test_null_goes_back_to_the_files_thresholds(tmp_path: Path) -> None:
    site = Site(tmp_path, THRESHOLDS)
    site.tell("set-thresholds", "1", {"thresholds": {"dog": 0.25}})
    site.tell("set-thresholds", "2", {"thresholds": None})
    assert site.now.thresholds == {"dog": 0.6, "music": 0.7}
    assert site.now.config_hash != effective_of(PLAIN).config_hash


def test_mode_that_the_file_permits_no_more_is_dropped(tmp_path: Path) -> None:
    Site(tmp_path, SEALING).tell("set-store-mode", "1", {"mode": "all"})
    site = Site(tmp_path, PLAIN)
    assert site.now.config.store.mode is StoreMode.NONE
    (problem,) = site.desk.problems
    assert "a command for store_mode holds no more: " in problem
    assert Site(tmp_path, SEALING).now.config.store.mode is StoreMode.NONE


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 500, b'{"overrides": {"store_mode": "all"}, "x": 1}', b"[]"])
def test_corrupt_memory_is_set_aside_and_the_file_holds(site: Site, tmp_path: Path, damage: bytes) -> None:
    site.tell("set-level", "1", {"level": "v7"})
    site.path.write_bytes(damage)
    again = Site(tmp_path)
    assert again.now.config.store.level is Level.V5
    (problem,) = again.desk.problems
    assert "cannot be used" in problem
    (kept,) = tmp_path.glob("commands.json.corrupt-*")
    assert kept.read_bytes() == damage
    again.tell("set-level", "2", {"level": "v3"})
    assert Site(tmp_path).desk.problems == ()


def test_memory_cannot_carry_what_no_command_could(tmp_path: Path) -> None:
    forged = {"overrides": {"store_mode": "all"}, "replaced": {"store_mode": "none"}, "answers": []}
    (tmp_path / "commands.json").write_text(json.dumps(forged))
    site = Site(tmp_path)
    assert site.now.config.store.mode is StoreMode.NONE
    (tmp_path / "commands.json").write_text(json.dumps({"overrides": {"clear": True}}))
    assert Site(tmp_path).now == effective_of(PLAIN)


def test_command_that_would_not_outlive_a_restart_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    site = Site(folder)
    answer = site.tell("set-level", "1", {"level": "v7"})
    assert answer["result"] == "refused"
    assert "commands.json: cannot be written: No such file" in answer["reason"]
    assert site.now.config.store.level is Level.V5
    folder.mkdir()
    assert site.tell("set-level", "2", {"level": "v7"})["result"] == "applied"


def test_changed_file_is_taken_up_and_commands_stay(site: Site) -> None:
    site.tell("set-thresholds", "1", {"thresholds": {"dog": 0.25}})
    site.desk.reload(PLAIN.model_copy(update={"store": StoreSettings(level=Level.V3)}))
    assert (site.now.config.store.level, site.now.thresholds, site.n_changes) == (Level.V3, {"dog": 0.25}, 2)


def test_changed_file_that_cannot_be_is_not_taken_up(tmp_path: Path) -> None:
    def require(effective: Effective) -> None:
        if effective.config.store.level is Level.V1:
            raise LevelError("no head for level 'v1'")

    site = Site(tmp_path, require_possible=require)
    with pytest.raises(LevelError):
        site.desk.reload(PLAIN.model_copy(update={"store": StoreSettings(level=Level.V1)}))
    assert (site.now.config.store.level, site.n_changes) == (Level.V5, 0)


def test_hash_is_of_what_is_in_effect_and_not_of_the_node() -> None:
    other_node = NodeConfig(node_id="node-2")
    assert effective_of(PLAIN).config_hash == effective_of(other_node).config_hash
    assert effective_of(PLAIN).config_hash != effective_of(SAMPLING).config_hash
    changed = PLAIN.model_copy(update={"store": StoreSettings(level=Level.V7)})
    assert effective_of(changed).config_hash != effective_of(PLAIN).config_hash


def test_file_that_contradicts_itself_is_no_base() -> None:
    broken = PLAIN.model_copy(update={"store": PLAIN.store.model_copy(update={"mode": StoreMode.ALL})})
    with pytest.raises(ConfigError, match="keeps recordings"):
        effective_of(broken)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
IDS = itertools.count()
NEARLY = st.dictionaries(st.sampled_from(["level", "mode", "thresholds", "schema", "clear"]), JSON, max_size=3)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operation=st.sampled_from([*Operation, "explode"]),
    payload=st.one_of(st.binary(min_size=1, max_size=300), (NEARLY | JSON).map(lambda v: json.dumps(v).encode())),
)
def test_any_bytes_are_answered_and_keep_nothing_beyond_the_file(site: Site, operation: str, payload: bytes) -> None:
    answer = site.tell(operation, f"n{next(IDS)}", payload)
    assert answer["result"] in {"applied", "refused"}
    assert (answer["result"] == "refused") == bool(answer["reason"])
    assert len(answer["reason"]) <= 500
    store = site.now.config.store
    assert (store.mode, store.clear, store.recipients) == (StoreMode.NONE, False, ())


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[[], Site]:
    return lambda: Site(tmp_path)


def test_memory_of_answers_is_bounded(make_site: Callable[[], Site]) -> None:
    site = make_site()
    for n in range(130):
        site.tell("set-level", f"n{n}", {"level": "v7" if n % 2 else "v3"})
    assert site.path.stat().st_size < 100_000
    again = make_site()
    assert again.tell("set-level", "n40", {"level": "v9"})["settings"]["level"] == "v3", "still remembered"
    assert again.now.config.store.level is Level.V7
