"""What a browser is shown at `/`: one page that needs nothing else, and what it may do. The web client's place.

Pure but for reading its own files, once.
"""

import base64
import hashlib
import html
from functools import cache
from importlib import resources
from string import Template
from typing import Final

DEFAULT_HOST: Final = "this-host"  # when a request does not tell where it was sent


@cache
def _files() -> tuple[Template, str]:
    """Return the page, and the style that goes into it."""
    here = resources.files("workers.web")
    return Template(here.joinpath("index.html").read_text("utf-8")), here.joinpath("style.css").read_text("utf-8")


def page(server_name: str, host: str, port: int, *, tls: bool) -> bytes:
    """Return the page of a server that is reached at ``host`` and ``port``, which may be a stranger's words.

    ``tls``: not everybody may connect without it.
    """
    template, style = _files()
    bare = host.strip("[]") or DEFAULT_HOST
    fields = {
        "server": server_name,
        "moot": f"moot join {bare} {port}",
        "nc": f"openssl s_client -quiet -connect {host or DEFAULT_HOST}:{port}" if tls else f"nc {bare} {port}",
        "irc": f"/connect {'-tls ' if tls else ''}{bare} {port}",
        "websocket": f"ws{'s' if tls else ''}://{host or DEFAULT_HOST}:{port}/ws",
    }
    escaped = {name: html.escape(value) for name, value in fields.items()}
    return template.substitute(escaped, style=style).encode()


@cache
def policy() -> str:
    """Return the page's Content-Security-Policy: nothing but its own style and its icon."""
    _template, style = _files()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; {CLOSED}"


CLOSED: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
