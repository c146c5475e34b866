"""The sandbox's Slack in a browser. Owns: the page's files, and that it runs nothing but them."""

from __future__ import annotations

from pathlib import Path

from servers.sandbox.asgi import Reply

_FOLDER = Path(__file__).parent / "slack_page"
_FILES = {
    "": ("index.html", b"text/html; charset=utf-8"),
    "page.css": ("page.css", b"text/css; charset=utf-8"),
    "page.js": ("page.js", b"text/javascript; charset=utf-8"),
}
# What stands in messages is outside text: even a slip of the page's could run nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def page(name: str) -> Reply | None:
    """A file of the page; None when there is none of that name."""
    if name not in _FILES:
        return None
    file, content_type = _FILES[name]
    return Reply(200, (_FOLDER / file).read_bytes(), content_type, dict(_HEADERS))
