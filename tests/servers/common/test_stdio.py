"""What comes over a pipe: messages, and what is none."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.shared.message import SessionMessage

from servers.common.malformed import malformed, too_long
from servers.common.stdio import PipeReader

pytestmark = pytest.mark.anyio
LIMIT = 4096
PING = b'{"jsonrpc":"2.0","id":7,"method":"ping"}\n'


class Wire:
    """A reader fed with bytes, and what was refused."""

    def __init__(self, *parts: bytes) -> None:
        stream = asyncio.StreamReader(limit=LIMIT)
        for part in parts:
            stream.feed_data(part)
        stream.feed_eof()
        self.refused: list[types.JSONRPCError] = []
        self.reader = PipeReader(stream, self._refuse)

    async def _refuse(self, error: types.JSONRPCError) -> None:
        self.refused.append(error)

    async def heard(self) -> list[Any]:
        """The ids of all messages until the end."""
        found = []
        async for item in self.reader:
            assert isinstance(item, SessionMessage)
            assert isinstance(item.message, types.JSONRPCRequest)
            found.append(item.message.id)
        return found

    @property
    def ids(self) -> list[int | str | None]:
        return [error.id for error in self.refused]


async def test_a_message_comes_as_it_was_sent() -> None:
    wire = Wire(PING[:10], PING[10:], b"\n  \n", PING.rstrip())
    assert await wire.heard() == [7, 7]
    assert wire.refused == []


@pytest.mark.parametrize(
    ("line", "own"),
    [
        (b'{"jsonrpc":"2.0","id":5,"method":7}', 5),
        (b'{"jsonrpc":"1.0","id":"five","method":"ping"}', "five"),
        (b'{"id":5,"method":"ping"}', 5),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":[5],"method":"ping"}', None),
        (b'[{"jsonrpc":"2.0","id":5,"method":"ping"}]', None),
        (b'{"jsonrpc":"2.0","method":7}', None),
        (b'"text"', None),
        (b"no JSON", None),
        (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":{"a":"\xff"}}', 5),
        (b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"a":', 5),
    ],
)
async def test_what_is_no_message_is_answered_and_the_next_one_counts(
    line: bytes, own: int | str | None
) -> None:
    wire = Wire(line + b"\n", PING)
    assert await wire.heard() == [7]
    assert wire.ids == [own]
    assert wire.refused[0].error.code in (types.INVALID_REQUEST, types.PARSE_ERROR)


async def test_an_answer_is_never_answered() -> None:
    """Its id is one of ours: under it the client waits for something else."""
    wire = Wire(b'{"jsonrpc":"2.0","id":5,"result":"text"}\n', PING)
    assert await wire.heard() == [7]
    assert wire.refused == []
    assert malformed(b'{"jsonrpc":"2.0","id":5,"result":"cut off').id is None  # type: ignore[union-attr]


@pytest.mark.parametrize("depth", [500, 5000])
async def test_nesting_too_deep_to_be_read_is_answered(depth: int) -> None:
    inner = b"[" * depth + b"]" * depth
    line = b'{"jsonrpc":"2.0","id":5,"method":"ping","params":{"a":' + inner + b"}}"
    answer = malformed(line)
    assert answer is not None
    assert answer.id == 5


def long_line(size: int, *, ahead: bool, own: object = 5) -> bytes:
    identity = f'"jsonrpc":"2.0","id":{json.dumps(own)}'.encode()
    call = b'"method":"ping","params":{"a":"' + b"x" * size + b'"}'
    return b"{" + (identity + b"," + call if ahead else call + b"," + identity) + b"}\n"


@pytest.mark.parametrize("size", [LIMIT, 2 * LIMIT - 60, 10 * LIMIT])
@pytest.mark.parametrize("ahead", [True, False])
async def test_a_line_that_is_too_long_is_answered_under_its_id(size: int, ahead: bool) -> None:
    wire = Wire(PING, long_line(size, ahead=ahead), PING)
    assert await wire.heard() == [7, 7]
    assert wire.ids == [5]
    assert "more than" in wire.refused[0].error.message


async def test_a_line_that_is_too_long_and_ends_with_the_pipe_is_answered() -> None:
    wire = Wire(long_line(3 * LIMIT, ahead=True).rstrip())
    assert await wire.heard() == []
    assert wire.ids == [5]


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (b'{"jsonrpc":"2.0","id":5,"result":{"a":"x', b'x"}}\n'),  # an answer
        (b'{"result":{"a":"x', b'x"},"jsonrpc":"2.0","id":5}\n'),
        (b'{"method":"a","params":{"a":"x', b'x","jsonrpc":"2.0","id":5}}\n'),  # inside an object
        (b'{"method":"a","params":{"a":"x', b'x\\"jsonrpc\\":\\"2.0\\",\\"id\\":5}'),  # in a text
        (b'{"params":{"id":5,"method":"x', b'x"}}\n'),
        (b"xxxx", b"xxxx"),
    ],
)
def test_an_id_that_is_not_certainly_the_requests_own_is_not_used(head: bytes, tail: bytes) -> None:
    assert too_long(head, tail, LIMIT).id is None


async def test_whoever_listens_can_be_closed() -> None:
    wire = Wire()
    with pytest.raises(anyio.EndOfStream):
        await wire.reader.receive()
    await wire.reader.aclose()
