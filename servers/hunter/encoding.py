"""Which bytes are which characters. Owns: encoding detection and one forgiving text stream.

UTF-8 (with or without BOM), UTF-16 and UTF-32 by BOM, UTF-16 without BOM by its NUL bytes,
Windows-1252 otherwise. A UTF-8 file with a few foreign bytes stays UTF-8 and only those bytes are
read as Windows-1252, so that one bad cell does not garble every name. Refuses binary files.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from dataclasses import dataclass
from typing import BinaryIO

from guardrails.errors import BadInput

_CHUNK = 1 << 16
_SAMPLE = 4096
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16 LE, whose BOM it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "a database"),
    (b"\x89PNG", "an image"),
)
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x00\x1a\x1b")


@dataclass(frozen=True)
class Encoding:
    """How to read a file, and its fingerprint.

    `skip` bytes of BOM come first; `name` is for people, `codec` and `errors` for Python.
    """

    name: str
    codec: str
    errors: str
    skip: int
    digest: str


def detect(raw: BinaryIO) -> Encoding:
    """Read `raw` once from its start in constant memory and say how to decode it.

    Raises:
        BadInput: empty, or not a text file.
    """
    raw.seek(0)
    head = raw.read(_SAMPLE)
    if not head:
        raise BadInput("the file is empty", remedy="Give a file with a header row and leads.")
    bom = next(((mark, codec) for mark, codec in _BOMS if head.startswith(mark)), None)
    wide = bom[1] if bom else _utf16_without_bom(head)
    _refuse_binary(head, wide)
    raw.seek(0)
    digest, valid, invalid = _scan(raw)
    skip = len(bom[0]) if bom else 0
    if wide and wide != "utf-8":
        name = wide if bom else f"{wide} without BOM"
        return Encoding(name, wide, "replace", skip, digest)
    if invalid and not valid:
        return Encoding("windows-1252", "latin-1", "strict", skip, digest)
    name = "utf-8-sig" if bom else "utf-8"
    if invalid:
        name += " with windows-1252 bytes"
    return Encoding(name, "utf-8", "surrogateescape", skip, digest)


def open_text(raw: BinaryIO, encoding: Encoding) -> io.TextIOWrapper:
    """`raw` from its start as text; line ends are kept as they are. Mend each line by `mend`."""
    raw.seek(encoding.skip)
    return io.TextIOWrapper(raw, encoding=encoding.codec, errors=encoding.errors, newline="")


def mend(line: str) -> str:
    """Foreign bytes to their Windows-1252 characters, and NULs away."""
    if line.isascii() and "\0" not in line:
        return line
    return line.translate(_MENDED)


def _utf16_without_bom(head: bytes) -> str | None:
    sample = head[: len(head) // 2 * 2]
    if len(sample) < 4:
        return None
    pairs = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > pairs * 0.4 and even < pairs * 0.05:
        return "utf-16-le"
    if even > pairs * 0.4 and odd < pairs * 0.05:
        return "utf-16-be"
    return None


def _refuse_binary(head: bytes, wide: str | None) -> None:
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise BadInput(f"this is {what}, not a CSV file", remedy="Save it as CSV (UTF-8).")
    if wide and wide != "utf-8":
        return
    controls = sum(1 for byte in head if byte < 32 and byte not in _TEXT_CONTROLS)
    if controls + head.count(0) > max(8, len(head) * 0.3):
        raise BadInput("this is a binary file, not a CSV file", remedy="Save it as CSV (UTF-8).")


def _scan(raw: BinaryIO) -> tuple[str, int, int]:
    """SHA-256, characters beyond ASCII that are valid UTF-8, and bytes that are not."""
    hasher = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    valid = invalid = 0
    while True:
        chunk = raw.read(_CHUNK)
        hasher.update(chunk)
        text = decoder.decode(chunk, final=not chunk)
        if not text.isascii():
            escaped = sum(1 for char in text if "\udc80" <= char <= "\udcff")
            invalid += escaped
            valid += sum(1 for char in text if char > "\x7f") - escaped
        if not chunk:
            return hasher.hexdigest(), valid, invalid


def _windows_1252(byte: int) -> str:
    # Five bytes are undefined there; Latin-1 gives them control characters, dropped by cleaning.
    return bytes([byte]).decode("cp1252", errors="ignore") or chr(byte)


_MENDED: dict[int, str | None] = {
    0: None,
    **{0xDC00 + byte: _windows_1252(byte) for byte in range(0x80, 0x100)},
    **{byte: _windows_1252(byte) for byte in range(0x80, 0xA0)},
}
