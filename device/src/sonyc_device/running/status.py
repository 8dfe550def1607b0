"""Answers what the running agent is doing, over a socket in its state folder: nothing is written to the card for it."""

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sonyc_device.errors import NotRunningError, StatusError

_LOGGER = logging.getLogger(__name__)

SOCKET_NAME: Final = "status.sock"
ANSWER_WITHIN_S: Final = 3.0
FRESH_S: Final = 15.0
"""An agent that had no sample for longer than this does not hear."""
MAX_BYTES: Final = 1_000_000
_SEND_TIMEOUT_S: Final = 1.0


class StatusServer:
    """Gives everybody who connects one JSON document, and hangs up. A folder that takes no socket costs only this."""

    def __init__(self, folder: Path, document: Callable[[], Mapping[str, object]]) -> None:
        """Prepare to answer.

        Args:
            folder: The state folder, which this process holds.
            document: Says what the agent is doing; called from another thread.
        """
        self._folder = folder
        self._document = document
        self._serving: tuple[socket.socket, threading.Thread] | None = None

    def start(self) -> None:
        """Begin to answer, where the folder permits it."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            (self._folder / SOCKET_NAME).unlink(missing_ok=True)  # of an agent that was killed: we hold the folder
            with _short_name(self._folder) as name:
                listener.bind(name)
            listener.listen()
        except OSError as error:
            listener.close()
            _LOGGER.warning("`status` will not be answered: %s: %s", self._folder, error.strerror or error)
            return
        thread = threading.Thread(target=self._serve, args=(listener,), name="status", daemon=True)
        self._serving = listener, thread
        thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._serving is None:
            return
        (listener, thread), self._serving = self._serving, None
        listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread; `close` does not
        thread.join(_SEND_TIMEOUT_S)
        listener.close()
        with suppress(OSError):
            (self._folder / SOCKET_NAME).unlink()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # `stop`
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(_SEND_TIMEOUT_S)
        try:
            connection.sendall(json.dumps(self._document(), default=str).encode())
        except OSError as error:
            _LOGGER.debug("who asked for the status did not wait for it: %s", error)
        except Exception:
            _LOGGER.exception("the status cannot be said")


@contextmanager
def status_answered(folder: Path, document: Callable[[], Mapping[str, object]]) -> Iterator[None]:
    """Answer who asks for the status meanwhile."""
    server = StatusServer(folder, document)
    server.start()
    try:
        yield
    finally:
        server.stop()


def read_status(folder: Path, *, timeout_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
    """Ask the agent that holds a state folder what it is doing.

    Raises:
        NotRunningError: no agent runs with this folder.
        StatusError: one does but does not answer, or the folder may not be looked into.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            with _short_name(folder) as name:
                connection.connect(name)
            answer = b"".join(_received(connection))
            return dict(json.loads(answer))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunningError(f"no agent runs with the state folder {folder}") from error
        except PermissionError as error:
            raise StatusError(f"{folder}: may not be looked into: ask as root, or as the agent's user") from error
        except (OSError, ValueError) as error:
            raise StatusError(
                f"the agent with the state folder {folder} does not answer within {timeout_s:g} s: {error}"
            ) from error


def troubles(status: Mapping[str, Any]) -> list[str]:
    """Say what is not as it should be with an agent that answered so."""
    ago_s, broker = status["last_samples_s_ago"], status["broker"]
    found = [str(problem) for problem in status["problems"]]
    if ago_s is None:
        found.append("sound: not one sample has come yet")
    elif ago_s > FRESH_S:
        found.append(f"sound: no sample has come for {ago_s:.0f} s")
    if not broker["connected"]:
        found.append(f"broker: {broker['state']}")
    return found


@contextmanager
def _short_name(folder: Path) -> Iterator[str]:
    """Give the socket's address by its folder's descriptor: an address has at most 107 characters, a path more."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def _received(connection: socket.socket) -> Iterator[bytes]:
    n_bytes = 0
    while data := connection.recv(65_536):
        n_bytes += len(data)
        if n_bytes > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        yield data
