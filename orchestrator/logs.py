"""The queen's own log. Owns: where it goes. stdout is for answers, the terminal for people.

One JSON object a line in `logs/queen.log`; libraries' warnings go there as well. It is cut into
files of bounded size, of which the last few are kept. A line that cannot be written, on a full
disk say, is lost and stops nobody.
"""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from guardrails.errors import SwarmError
from guardrails.logs import PROCESSORS, library_formatter

log = structlog.get_logger(__name__)
_SIZE, _KEPT = 10_000_000, 3


@contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Send structured logs and libraries' warnings to `file`, and nothing to the terminal."""
    handler = _LossyHandler(file, maxBytes=_SIZE, backupCount=_KEPT, encoding="utf-8")
    handler.setFormatter(library_formatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[*PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        yield
    except SwarmError:
        raise  # whoever started the command is told
    except Exception:
        log.exception("failed")
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def adopt(name: str) -> None:
    """Have a library that brings its own handlers log like everybody else."""
    logger = logging.getLogger(name)
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.WARNING)


class _LossyHandler(logging.handlers.RotatingFileHandler):
    """Without the traceback that the standard handler prints for a line it cannot write."""

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - the name it has
        """Lose the line."""

    def close(self) -> None:
        """Close the file, even when its buffer cannot be written any more."""
        with suppress(OSError):
            super().close()
