"""Runs the practice game's server in this process."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.game.api import app
from lost_and_found.practice.game.state import GameConfig, GameState

__all__ = ["GameConfig", "RunningGame", "serving"]

HOST = "127.0.0.1"
_LOGGER = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class RunningGame:
    """A practice game that is running.

    Attributes:
        url: without a slash at the end.
        state: what it knows.
    """

    url: str
    state: GameState


@contextmanager
def serving(config: GameConfig) -> Iterator[RunningGame]:
    """The practice game, in a thread, until the block is left; only this machine can reach it.

    Raises:
        InvalidConfig: the port is in use or not allowed.
    """
    with _listening(config.port) as listener:
        state = GameState(config)
        settings = uvicorn.Config(
            app(state),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            # Longer than anybody thinks about a round: a browser's POST on a connection that is just being
            # closed would fail.
            timeout_keep_alive=600,
            # Requests may still be waiting for pictures and others' moves; nobody needs the answers any more.
            timeout_graceful_shutdown=0,
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([listener],), name="practice game", daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield RunningGame(f"http://{HOST}:{listener.getsockname()[1]}", state)
        finally:
            # Requests that are cut off at the end are not errors.
            _LOGGER.setLevel(logging.CRITICAL)
            server.should_exit = True
            thread.join()
            state.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # until then, another process could be given the same port
    except OSError as error:
        listener.close()
        raise InvalidConfig(
            f"can't listen on port {port} of {HOST} ({error.strerror}); choose another, or 0 for any free one"
        ) from error
    return listener
