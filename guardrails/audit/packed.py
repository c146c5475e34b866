"""A closed day of the audit, compressed. Owns: the file's form, and reading it from anywhere.

Any gzip reads it: it is a gzip file of many members. Each holds whole lines and says in its header
how long it is, packed and unpacked, so that a line in the middle is found without unpacking what
stands before it. The same lines give the same bytes. Refuses what has no such header or fails its
checksum, as an OSError: to readers it is a file that cannot be read.
"""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from guardrails.audit.records import MAX_BYTES

MEMBER = 256 * 1024  # unpacked bytes that a member has at least, but for the last one
_LARGEST = MEMBER + MAX_BYTES + 1
# Magic, deflate, "extra field", no time, best compression, unknown system; then the extra field:
# its length, our two letters, its content's length, and both lengths of the member.
_HEADER = struct.Struct("<4sIBBH2sHII")
_FORM = (b"\x1f\x8b\x08\x04", 0, 2, 255, 12, b"CA", 8)
_TAIL = struct.Struct("<II")  # checksum and length of what was packed
_SMALLEST = _HEADER.size + _TAIL.size


@dataclass(frozen=True)
class _Member:
    place: int  # in the file
    packed: int  # its length there, header included
    offset: int  # of its first line, in the unpacked day
    length: int  # unpacked


def packed(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The members that hold `lines`, each of which ends with a newline."""
    content = bytearray()
    for line in lines:
        content += line
        if len(content) >= MEMBER:
            yield _member(bytes(content))
            content.clear()
    if content:
        yield _member(bytes(content))


def contents(path: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """(offset, whole lines) from the member that holds `offset` on, one in memory at a time.

    Raises:
        OSError: it cannot be read, or is damaged.
    """
    with path.open("rb") as file:
        for member in _members(file):
            if member.offset + member.length > offset:
                yield member.offset, _unpacked(file, member)


def _member(content: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(content) + deflate.flush()
    whole = _HEADER.size + len(body) + _TAIL.size
    header = _HEADER.pack(*_FORM, whole, len(content))
    return header + body + _TAIL.pack(zlib.crc32(content), len(content))


def _members(file: BinaryIO) -> Iterator[_Member]:
    place = offset = 0
    while True:
        file.seek(place)
        header = file.read(_HEADER.size)
        if not header and place:
            return
        if len(header) < _HEADER.size:
            raise _damaged(file, "it ends within a header")
        *form, whole, length = _HEADER.unpack(header)
        if tuple(form) != _FORM:
            raise _damaged(file, "it was not written here")
        if not 0 < length <= _LARGEST or not _SMALLEST < whole <= 2 * _LARGEST:
            raise _damaged(file, "a header makes no sense")
        yield _Member(place, whole, offset, length)
        place, offset = place + whole, offset + length


def _unpacked(file: BinaryIO, member: _Member) -> bytes:
    file.seek(member.place + _HEADER.size)
    body = file.read(member.packed - _HEADER.size)
    if len(body) < member.packed - _HEADER.size:
        raise _damaged(file, "it was cut off")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflate.decompress(body[: -_TAIL.size], member.length + 1)
    except zlib.error as error:
        raise _damaged(file, "its content does not unpack") from error
    if (zlib.crc32(content), len(content)) != _TAIL.unpack(body[-_TAIL.size :]):
        raise _damaged(file, "a checksum does not match")
    if len(content) != member.length or not inflate.eof or inflate.unused_data:
        raise _damaged(file, "a length does not match")
    return content


def _damaged(file: BinaryIO, why: str) -> OSError:
    return OSError(errno.EIO, f"damaged: {why}", file.name)
