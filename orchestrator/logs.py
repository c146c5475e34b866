"""The queen's log. Owns: that it goes to a file in the hive, and never onto stdout.

stdout is the report's (`--json`: one document and nothing else). A log that cannot be written,
on a full disk say, is lost and stops nobody.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from guardrails.errors import SwarmError

log = structlog.get_logger(__name__)
_LIMIT = 5_000_000
# Without local variables: they hold keys, addresses and drafts (P8).
_TRACEBACKS = ExceptionDictTransformer(show_locals=False)


@contextlib.contextmanager
def logging_to(log_file: Path) -> Iterator[None]:
    """Log to `log_file` (0600; one old one is kept) within the block, to stderr after it."""
    try:
        if log_file.exists() and log_file.stat().st_size > _LIMIT:
            log_file.replace(log_file.with_suffix(".log.1"))
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        log_to(sys.stderr)
        yield
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        log_to(_Lossy(file))
        try:
            yield
        except SwarmError:
            raise  # told to whoever started the command
        except Exception:
            log.exception("failed")
            raise
        finally:
            log_to(sys.stderr)
            with contextlib.suppress(OSError):
                file.flush()


def log_to(stream: TextIO | _Lossy) -> None:
    """Structured logs, one JSON object a line, to `stream`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_TRACEBACKS),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(stream),  # type: ignore[arg-type]
    )


class _Lossy:
    """A file for whole lines, of which some may be lost."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write what fits."""
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        """Flush what fits."""
        with contextlib.suppress(OSError):
            self._file.flush()
