"""How people are told. Owns: an alert's words, Slack, the local file, and that no news is lost.

Each piece of news is a line of `alerts.jsonl` in the hive, whoever could be told. What Slack did
not take is told again with the next round's news. Refuses addresses: outside text cannot bring
one in.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from guardrails.addresses import without_addresses
from guardrails.clock import iso
from orchestrator.health.incidents import News
from orchestrator.health.model import Severity, lasted
from orchestrator.slack.tell import Told

log = structlog.get_logger(__name__)
_AT_ONCE = 8  # pieces of news in one message
_ROTATE = 5_000_000
_HEADS = {
    "alert": "{severity}",
    "worse": "NOW {severity}",
    "still": "STILL {severity}",
    "recovered": "OVER",
    "notice": "NOTE",
}

Tell = Callable[[str, bool], Told]  # text, and whether people are called


def said(news: News) -> str:
    """One piece of news: what, since when, what to do."""
    one = news.incident
    head = _HEADS[news.kind].format(severity=one.severity.value.upper())
    since = f"{one.since:%Y-%m-%d %H:%M:%S} UTC"
    if news.kind == "recovered":
        span = lasted((news.at - one.since).total_seconds())
        return f"{head}: {_clean(one.what)}\nIt began at {since} and lasted {span}."
    if news.kind == "notice":
        return f"{head}: {_clean(one.what)}"
    return f"{head}: {_clean(one.what)}\nSince {since}.\nWhat to do: {_clean(one.do)}"


def message(pending: Sequence[News], host: str, *, sandbox: bool) -> tuple[str, bool]:
    """All of it as one message, and whether somebody must be called."""
    where = f"[sandbox] {host}" if sandbox else host
    shown = [said(news) for news in pending[:_AT_ONCE]]
    if len(pending) > _AT_ONCE:
        shown.append(f"… and {len(pending) - _AT_ONCE} more: see alerts.jsonl in the hive.")
    urgent = any(
        news.kind != "recovered" and news.incident.severity is Severity.CRITICAL for news in pending
    )
    return f"{where}\n" + "\n\n".join(shown), urgent


class AlertFile:
    """`alerts.jsonl` in the hive: one line for each piece of news."""

    def __init__(self, hive: Path) -> None:
        self._path = hive / "alerts.jsonl"

    def append(self, news: Sequence[News]) -> bool:
        """Write them; False when the disk does not take them, and they are tried again."""
        lines = "".join(json.dumps(_line(one), ensure_ascii=False) + "\n" for one in news).encode()
        if not lines:
            return True
        try:
            if self._path.exists() and self._path.stat().st_size > _ROTATE:
                self._path.replace(self._path.with_suffix(".jsonl.1"))
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if os.write(descriptor, lines) < len(lines):
                    os.ftruncate(descriptor, size)  # no half a line: all of it comes later
                    raise OSError(errno.ENOSPC, "the disk is full")
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("alerts_not_written", error=error.strerror)
            return False
        return True


class Messenger:
    """Tells what is pending.

    Args:
        file: None: nothing is written, since another monitor does.
        tell: posts a message to Slack, bounded in time; None: there is no Slack, and the file is
            all there is.
    """

    def __init__(
        self, file: AlertFile | None, tell: Tell | None, host: str, *, sandbox: bool
    ) -> None:
        self._file = file
        self._tell = tell
        self._host = host
        self._sandbox = sandbox

    def deliver(self, pending: Sequence[News]) -> tuple[tuple[News, ...], Told | None]:
        """Write and tell; gives what is left to do, and how telling went, if it was tried."""
        fresh = [news for news in pending if not news.logged]
        for news in fresh if self._file else ():
            log.warning(
                "health", kind=news.kind, key=news.incident.key, severity=news.incident.severity,
                what=_clean(news.incident.what),
            )  # fmt: skip
        logged = self._file is None or self._file.append(fresh)
        untold = [news for news in pending if not news.told]
        told = self._told(untold)
        marked = (
            news.model_copy(
                update={
                    "logged": news.logged or logged,
                    "told": news.told or bool(told) or self._tell is None,
                }
            )
            for news in pending
        )
        return tuple(news for news in marked if not (news.logged and news.told)), told

    def _told(self, untold: Sequence[News]) -> Told | None:
        if not untold or self._tell is None:
            return None
        told = self._tell(*message(untold, self._host, sandbox=self._sandbox))
        if not told:
            log.warning("nobody_told", note=told.note)
        return told


def _line(news: News) -> dict[str, str | None]:
    one = news.incident
    return {
        "at": iso(news.at),
        "kind": news.kind,
        "key": one.key,
        "severity": one.severity.value,
        "what": _clean(one.what),
        "since": iso(one.since),
        "do": _clean(one.do) if news.kind != "recovered" else None,
    }


def _clean(text: str) -> str:
    cleaned: str = without_addresses(text)
    return cleaned
