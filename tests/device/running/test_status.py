"""What the running agent answers, over a real socket in a real folder."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonyc_device.errors import NotRunningError, StatusError
from sonyc_device.running.status import SOCKET_NAME, StatusServer, read_status


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Callable[[Path, dict[str, Any]], StatusServer]:
    def start(folder: Path, document: dict[str, Any]) -> StatusServer:
        server = StatusServer(folder, lambda: document)
        server.start()
        request.addfinalizer(server.stop)
        return server

    return start


def test_everybody_who_asks_gets_the_document_of_now(tmp_path: Path, serve: Callable[..., StatusServer]) -> None:
    document = {"n": 1}
    serve(tmp_path, document)
    assert read_status(tmp_path) == {"n": 1}
    document["n"] = 2
    assert read_status(tmp_path) == {"n": 2}


def test_no_agent_is_said_to_run_after_its_end(tmp_path: Path, serve: Callable[..., StatusServer]) -> None:
    server = serve(tmp_path, {})
    server.stop()
    assert not list(tmp_path.iterdir())
    with pytest.raises(NotRunningError, match="no agent runs with the state folder"):
        read_status(tmp_path)


def test_no_agent_is_said_to_run_after_it_was_killed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_behind:
        left_behind.bind(str(tmp_path / SOCKET_NAME))
    with pytest.raises(NotRunningError):
        read_status(tmp_path)


def test_socket_of_a_killed_agent_is_replaced(tmp_path: Path, serve: Callable[..., StatusServer]) -> None:
    (tmp_path / SOCKET_NAME).write_text("left behind")
    serve(tmp_path, {"n": 1})
    assert read_status(tmp_path) == {"n": 1}


def test_missing_folder_is_no_running_agent(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError):
        read_status(tmp_path / "nowhere")


def test_long_path_is_reached(tmp_path: Path, serve: Callable[..., StatusServer]) -> None:
    folder = tmp_path / ("a" * 120) / ("b" * 120)
    folder.mkdir(parents=True)
    serve(folder, {"n": 1})
    assert read_status(folder) == {"n": 1}


def test_agent_that_is_stuck_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / SOCKET_NAME))
        silent.listen()
        with pytest.raises(StatusError, match=r"does not answer within 0\.1 s"):
            read_status(tmp_path, timeout_s=0.1)


def test_answer_that_cannot_be_given_is_said_to_be_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answers: list[dict[str, Any]] = []

    def document() -> dict[str, Any]:
        answers.append({"n": len(answers)})
        if len(answers) == 1:
            raise RuntimeError("told to")
        return answers[-1]

    server = StatusServer(tmp_path, document)
    server.start()
    try:
        with pytest.raises(StatusError):
            read_status(tmp_path)
        assert read_status(tmp_path) == {"n": 1}
    finally:
        server.stop()
    assert "the status cannot be said" in caplog.text


def test_folder_that_takes_no_socket_costs_the_status_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = StatusServer(tmp_path / "gone", dict)
    server.start()
    server.stop()
    assert "`status` will not be answered" in caplog.text
