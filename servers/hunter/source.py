"""Where lead files may lie, and which file a cursor means. Owns: access and cursors.

Only regular `.csv`, `.tsv` and `.txt` files below the configured roots are opened, symbolic links
resolved first, and what was opened is checked again by its descriptor. A cursor names the file's
content and a row; it is refused for any other content.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from guardrails.errors import BadInput

SUFFIXES = (".csv", ".tsv", ".txt")
MAX_TEXT = 1_000_000  # bytes of `csv_text`
# A pipe put in the file's place cannot hang the server, nor a link lead out of the roots.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOTS_REMEDY = "Put the file below one of the directories in HUNTER_ROOTS, or change it."


@dataclass(frozen=True)
class Source:
    """A file or text to import. `identity` changes when the file does; opening is separate."""

    identity: tuple[str | int, ...]
    path: Path | None = None
    text: bytes = b""

    def open(self) -> BinaryIO:
        """Its bytes.

        Raises:
            BadInput: it vanished, is no regular file, or may not be read.
        """
        if self.path is None:
            return io.BytesIO(self.text)
        try:
            descriptor = os.open(self.path, _OPEN_FLAGS)
        except OSError as error:
            raise _unreadable(self.path, error.strerror) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _unreadable(self.path, "not a regular file")
        return os.fdopen(descriptor, "rb")


@dataclass(frozen=True)
class Cursor:
    """The next page of one file: its content's digest and the data rows already given."""

    digest: str
    rows: int

    def encode(self) -> str:
        """Opaque text for the client."""
        return base64.urlsafe_b64encode(json.dumps([self.digest, self.rows]).encode()).decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """The cursor in a client's text.

        Raises:
            BadInput: not one of ours.
        """
        try:
            digest, rows = json.loads(base64.b64decode(text.encode("ascii"), b"-_", validate=True))
            if isinstance(digest, str) and type(rows) is int and rows > 0:
                return cls(digest, rows)
        except (ValueError, TypeError, binascii.Error, RecursionError):
            pass
        raise BadInput("cursor: not a cursor of this server", remedy="Start without a cursor.")


def find_source(path: str | None, text: str | None, roots: Sequence[Path]) -> Source:
    """The one source that was given.

    Raises:
        BadInput: both or none given, text too long, or the path is not allowed or not there.
    """
    if (path is None) == (text is None):
        raise BadInput("give either path or csv_text", remedy="Give exactly one of the two.")
    if text is not None:
        return _text_source(text)
    assert path is not None
    return _file_source(path, roots)


def _text_source(text: str) -> Source:
    content = text.encode("utf-8", errors="replace")
    if len(content) > MAX_TEXT:
        raise BadInput(
            f"csv_text: {len(content)} bytes; at most {MAX_TEXT}",
            remedy="Write it to a file and give its path.",
        )
    return Source(("text", hashlib.sha256(content).hexdigest()), text=content)


def _file_source(path: str, roots: Sequence[Path]) -> Source:
    try:
        resolved = Path(path).resolve()
        if not any(resolved.is_relative_to(root.resolve()) for root in roots):
            raise BadInput("path: outside the directories open to imports", remedy=_ROOTS_REMEDY)
        if resolved.suffix.lower() not in SUFFIXES:
            raise BadInput(
                f"path: {resolved.name:.80} is not one of {', '.join(SUFFIXES)}",
                remedy="Save the leads as CSV and give that file.",
            )
        found = resolved.stat()
    except OSError as error:
        raise _unreadable(Path(path), error.strerror) from error
    except (ValueError, RuntimeError) as error:  # NUL in the path; a loop of links
        raise BadInput("path: not a path") from error
    identity = (str(resolved), found.st_size, found.st_mtime_ns, found.st_ino)
    return Source(identity, path=resolved)


def _unreadable(path: Path, why: str | None) -> BadInput:
    return BadInput(
        f"path: {path.name:.80} cannot be read ({why or 'unknown error'})",
        remedy="Check the path and its permissions.",
    )
