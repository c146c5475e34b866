"""The way to Slack's servers. Owns: the SDK's client as we use it, and what its errors mean.

The SDK repeats a call by itself after a connection error, `chat.postMessage` included, which
would post twice: here it never does. An error is either a plain no, or leaves a doubt whether
Slack acted; what is posted again after a doubt must be looked up first.
"""

from __future__ import annotations

import http.client
import ipaddress
import logging
import math
import socket
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from guardrails.errors import ConfigError, RateLimited, VendorRejected, VendorUnavailable

DEFAULT_BASE_URL = "https://slack.com"
_MAX_WAIT_S = 600.0
_PATIENCE_S = 30.0  # where a 429 does not say how long
# Its own logger: the SDK's would write whole requests, and bodies with them, at level DEBUG.
silent = logging.getLogger("orchestrator.slack.sdk")
silent.setLevel(logging.CRITICAL)
# What the SDK and urllib let through: no connection, a lost one, an answer that is none.
TROUBLE = (SlackClientError, OSError, http.client.HTTPException, ValueError, AttributeError)


class SlackRefused(VendorRejected):
    """Slack said no, and did nothing. `error` is its word for why."""

    code = "slack_refused"
    default_remedy = "See docs/slack.md for the app's scopes, channel and tokens."

    def __init__(self, operation: str, error: str, status: int = 200, detail: str = "") -> None:
        said = f"Slack refused {operation}: {error}{f' ({detail})' if detail else ''}"
        super().__init__(said, vendor="slack", operation=operation, status=status)
        self.error = error


class SlackDown(VendorUnavailable):
    """Slack could not be reached: nothing was done."""

    code = "slack_down"
    default_remedy = "Nothing to do: cards wait and follow. `swarm approvals` does the same."


class SlackDoubt(VendorUnavailable):
    """Slack may have done it or not: look before doing it again."""

    code = "slack_doubt"
    default_remedy = "Nothing to do: the message is looked up before it is posted again."


def checked_base_url(given: str | None, *, sandbox: bool, name: str = "SLACK_BASE_URL") -> str:
    """Slack's address, or the one that was given as variable `name`.

    Raises:
        ConfigError: not http(s), plain http to another machine, or not loopback in the sandbox.
    """
    url = (given or DEFAULT_BASE_URL).rstrip("/")
    parts = urlsplit(url)
    loopback = is_loopback(url)
    if parts.scheme not in ("http", "https") or (parts.scheme == "http" and not loopback):
        raise ConfigError(
            f"{name} must be https, or http on a loopback address",
            remedy="Correct it; SLACK_BASE_URL stays empty for Slack itself.",
        )
    if sandbox and not loopback:
        raise ConfigError(
            f"sandbox is on, but {name} ({parts.hostname}) is not a loopback address",
            remedy="Start with --sandbox, which starts the twins and sets the addresses.",
        )
    return url


def is_loopback(url: str) -> bool:
    """Whether `url` stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def web_client(token: str | None, base_url: str, timeout_s: float) -> WebClient:
    """The SDK's client: no retries of its own, a bounded wait, nothing in logs.

    Args:
        base_url: without `/api`.
        timeout_s: for the connection and for each read; whole seconds, at least one.
    """
    client = WebClient(
        token=token,
        base_url=f"{base_url}/api/",
        timeout=max(1, round(timeout_s)),
        retry_handlers=[],
        logger=silent,
    )
    if is_loopback(base_url):
        client.proxy = None  # the SDK takes the environment's proxy without asking NO_PROXY
    return client


def meaning(
    operation: str, trouble: Exception
) -> SlackRefused | RateLimited | SlackDown | SlackDoubt:
    """Our error for what went wrong with a call."""
    if isinstance(trouble, SlackApiError):
        return _answered(operation, trouble.response)
    if _never_arrived(trouble):
        return SlackDown("Slack cannot be reached", vendor="slack", operation=operation)
    said = f"no answer from Slack to {operation} ({type(trouble).__name__})"
    return SlackDoubt(said, vendor="slack", operation=operation)


def _answered(
    operation: str, response: SlackResponse
) -> SlackRefused | RateLimited | SlackDown | SlackDoubt:
    status = response.status_code
    if status == 429:
        return RateLimited(
            "Slack asks for patience", vendor="slack", operation=operation, status=429,
            retry_after_s=retry_after(response.headers),
        )  # fmt: skip
    data: Any = response.data
    error = data.get("error") if isinstance(data, dict) and data.get("ok") is False else None
    # A page instead of JSON comes from what stands before Slack; the SDK puts it into `error`.
    if status >= 500 or not isinstance(error, str) or " " in error:
        said = f"Slack answered {operation} with status {status} and no sense"
        return SlackDoubt(said, vendor="slack", operation=operation, status=status)
    if error == "ratelimited":
        return RateLimited(
            "Slack asks for patience",
            vendor="slack",
            operation=operation,
            retry_after_s=_PATIENCE_S,
        )
    if error in ("internal_error", "fatal_error", "service_unavailable", "request_timeout"):
        said = f"Slack has trouble with {operation}: {error}"
        return SlackDoubt(said, vendor="slack", operation=operation, status=status)
    details = (data.get("response_metadata") or {}).get("messages") or ()
    return SlackRefused(operation, error, status, "; ".join(map(str, details))[:300])


def retry_after(headers: Any) -> float:
    """Seconds that a 429 asks to wait; `_PATIENCE_S` when it does not say."""
    given = {str(name).lower(): value for name, value in dict(headers or {}).items()}
    try:
        asked = float(given["retry-after"])
    except (KeyError, TypeError, ValueError):
        return _PATIENCE_S
    return min(max(asked, 0.0), _MAX_WAIT_S) if math.isfinite(asked) else _PATIENCE_S


def _never_arrived(trouble: Exception) -> bool:
    reason = trouble.reason if isinstance(trouble, URLError) else trouble
    return isinstance(reason, ConnectionRefusedError | socket.gaierror)
