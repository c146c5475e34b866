"""What the monitor asks of the world outside. Owns: others' clocks, a certificate, the dead man's
switch.

No key is needed for any of it, every wait is bounded, and no answer is no finding: an outage out
there is told by those whom it concerns. In the sandbox only loopback addresses are asked.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import structlog

from guardrails.clock import Clock
from orchestrator.slack.wire import DEFAULT_BASE_URL, is_loopback

log = structlog.get_logger(__name__)
_LONGEST_WAY_S = 2.0
_HALF_SECOND = 0.5  # a Date header is cut to the second


@dataclass(frozen=True)
class Skew:
    """Seconds by which our clock is ahead of somebody's."""

    seconds: float
    whose: str


@dataclass(frozen=True)
class _Answer:
    """What matters of an answer: whether it was a yes, its Date, our time half-way, and the way."""

    good: bool
    date: str | None
    ours: float
    way_s: float


@dataclass(frozen=True)
class Certificate:
    """When it ends, or why it does not verify."""

    ends: datetime | None = None
    problem: str | None = None


class Outside:
    """Asks; never raises.

    Args:
        wait_s: longest wait for one answer.
    """

    def __init__(self, clock: Clock, wait_s: float, *, sandbox: bool) -> None:
        self._clock = clock
        self._wait_s = wait_s
        self._sandbox = sandbox

    def slack_clock(self, base_url: str | None) -> Skew | None:
        """By the Date header of `api.test`, which needs no token."""
        url = f"{(base_url or DEFAULT_BASE_URL).rstrip('/')}/api/api.test"
        answer = self._get(url) if self._may(url) else None
        return _skew(answer, "Slack") if answer else None

    def still_alive(self, url: str) -> tuple[bool, Skew | None]:
        """Tell the outside watcher that all is well: whether it took it, and its clock."""
        if not self._may(url):
            return True, None
        answer = self._get(url)
        if answer is None or not answer.good:
            log.warning("dead_mans_switch_not_heard", answered=answer is not None)
        if answer is None:
            return False, None
        return answer.good, _skew(answer, "the outside watcher")

    def certificate(self, url: str) -> Certificate | None:
        """Of an https address; None when it is none, or nobody answers there."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or not self._may(url):
            return None
        context = ssl.create_default_context()
        try:
            with (
                socket.create_connection(
                    (parts.hostname, parts.port or 443), self._wait_s
                ) as plain,
                context.wrap_socket(plain, server_hostname=parts.hostname) as wrapped,
            ):
                found = wrapped.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            return Certificate(problem=error.verify_message)
        except OSError as error:
            log.info("certificate_not_seen", error=type(error).__name__)
            return None
        ends = ssl.cert_time_to_seconds(str(found["notAfter"]))
        return Certificate(ends=datetime.fromtimestamp(ends, UTC))

    def _get(self, url: str) -> _Answer | None:
        before, started = self._clock().timestamp(), time.monotonic()
        try:
            with (
                httpx.Client(timeout=self._wait_s, trust_env=not is_loopback(url)) as client,
                client.stream("GET", url) as response,  # what it says does not matter
            ):
                way = time.monotonic() - started
                date = response.headers.get("date")
                return _Answer(response.is_success, date, before + way / 2, way)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None  # its words could name the address, which is as good as a key

    def _may(self, url: str) -> bool:
        return not self._sandbox or is_loopback(url)


def _skew(answer: _Answer, whose: str) -> Skew | None:
    if answer.way_s > _LONGEST_WAY_S:
        return None  # its clock was read somewhere on that way
    try:
        theirs = parsedate_to_datetime(answer.date or "").astimezone(UTC)
    except (ValueError, TypeError):
        return None
    return Skew(answer.ours - theirs.timestamp() - _HALF_SECOND, whose)
