"""What every process's log line looks like. Owns: one JSON object a line, whose work it was, and
what never stands in one.

Each line carries the ids of the lead and run in hand. E-mail addresses are taken out of whatever a
line says, and tracebacks come without local variables, which hold keys and drafts (P8). Libraries
log in the same form, from WARNING on. Where lines go is each process's own affair.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from guardrails.addresses import without_addresses
from guardrails.correlation import current

_LONGEST = 2000  # characters of one value: no body gets in by accident
_TRACEBACKS = ExceptionDictTransformer(show_locals=False)
Event = MutableMapping[str, Any]


def whose(_logger: Any, _method: str, event: Event) -> Event:
    """Add the ids of the work under way, unless the line names its own."""
    correlation = current()
    for name, value in (("lead_id", correlation.lead_id), ("run_id", correlation.run_id)):
        if value is not None:
            event.setdefault(name, value)
    return event


def clean(_logger: Any, _method: str, event: Event) -> Event:
    """Take addresses out, and cut what is too long for a line."""
    for name, value in event.items():
        if name not in ("_record", "exc_info"):
            event[name] = _clean(value)
    return event


PROCESSORS: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(_TRACEBACKS),
    whose,
    clean,
)


def library_formatter() -> logging.Formatter:
    """For what libraries log, and for structlog when it goes through `logging`."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ExtraAdder(allow=()),
            _with_exception,
            structlog.processors.ExceptionRenderer(_TRACEBACKS),
            whose,
            clean,
        ],
    )


def _with_exception(_logger: Any, _method: str, event: Event) -> Event:
    """A library's exception, so that it becomes part of the line and not lines below it."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord) and record.exc_info:
        event["exc_info"] = record.exc_info
        record.exc_info, record.exc_text = None, None
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        short = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        return without_addresses(short)
    if isinstance(value, Mapping):
        return {str(_clean(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
