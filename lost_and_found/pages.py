"""How pages made with Gradio look and are served. Knows nothing of stages."""

from __future__ import annotations

import socket
from typing import Any

import gradio as gr

from lost_and_found.errors import InvalidConfig

LOOPBACK = ("127.0.0.1", "localhost", "::1")
FIRST_PORT = 7860
LAST_PORT = 65535
FONTS = ("system-ui", "sans-serif")
FIXED_FONTS = ("ui-monospace", "monospace")


def check_port(port: int | None) -> None:
    """Refuse what is no port.

    Raises:
        InvalidConfig: it is out of range.
    """
    if port is not None and not 1 <= port <= LAST_PORT:
        raise InvalidConfig(f"port is {port}; it must be from 1 to {LAST_PORT}")


def launch(
    page: gr.Blocks,
    *,
    host: str = LOOPBACK[0],
    port: int | None = None,
    js: str = "() => {}",
    **options: Any,  # noqa: ANN401
) -> str:
    """Serve a page from a thread until it is closed; returns its address, the public one if it is shared.

    Args:
        page: to be served.
        host: 127.0.0.1 for this machine only.
        port: None for the first free one from 7860.
        js: function that the browser calls when the page has loaded.
        options: others of `gr.Blocks.launch`.

    Raises:
        InvalidConfig: host and port can't be listened on.
    """
    fixed: dict[str, Any] = {
        "prevent_thread_lock": True,
        "quiet": True,
        "inline": False,  # a frame in the notebook would be small, and empty in its executed copy
        "footer_links": [],
        "ssr_mode": False,
        # The browser would keep all that was sent and shown, for whoever sits at it next.
        "run_history": False,
        "show_error": True,
        # Gradio declares the browser's own language, in which screen readers would then speak.
        "js": f'() => {{ document.documentElement.lang = "en"; ({js})(); }}',
        "theme": gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=FIXED_FONTS),
    }
    check_port(port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Where it can't be listened on, Gradio would try a hundred ports for five seconds each.
        socket.create_server((host, 0), family=family).close()
        _, local, public = page.launch(
            server_name=f"[{host}]" if ":" in host else host,
            server_port=port,
            **{"share": False} | fixed | options,
        )
    except OSError as error:
        raise InvalidConfig(f"{host}:{port or FIRST_PORT} can't be listened on ({error})") from None
    return str(public or local)
