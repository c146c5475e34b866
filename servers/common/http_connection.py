"""One HTTP/1.1 connection to a vendor. Owns: bytes to a whole answer, and when it may be reused.

The parser is llhttp (`httptools`) in its strict mode. An answer is read whole, since nobody here
reads one in parts; what is larger than the limit is cut off there, for the layer above to refuse.
Refuses: requests that would say something else than their parts do, and answers whose head has
no end or that hide little text in much framing.
"""

from __future__ import annotations

import asyncio
import re
import select
from typing import cast

import httptools
import httpx

_HEAD_BYTES = 256 * 1024
_METHOD = re.compile(r"[A-Z]+\Z")
_TARGET = re.compile(rb"/[!-~]*\Z")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(rb"[^\x00\r\n]*\Z")
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})


def serialised(request: httpx.Request, body: bytes) -> bytes:
    """The request's bytes.

    Raises:
        httpx.LocalProtocolError: a part would break out of its place, or the body is not as long
            as the head says.
    """
    target, headers = request.url.raw_path, request.headers.raw
    lengths = [value for name, value in headers if name.lower() in _LENGTHS]
    if (
        not _METHOD.match(request.method)
        or not _TARGET.match(target)
        or not all(_NAME.match(name) and _VALUE.match(value) for name, value in headers)
        or lengths != ([b"%d" % len(body)] if body or lengths else [])
    ):
        raise httpx.LocalProtocolError("not a well-formed request", request=request)
    head = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), target)]
    head += [b"%s: %s" % pair for pair in headers]
    return b"\r\n".join((*head, b"", body))


class Connection(asyncio.Protocol):
    """Serves one exchange at a time.

    Args:
        limit: bytes of body, as they come over the wire, after which reading stops.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[httpx.Response] | None = None
        self.idle_since = 0.0
        self._begin()

    async def exchange(self, content: bytes, silence: float) -> httpx.Response:
        """Send a request and wait for the whole answer; afterwards see `usable`.

        Args:
            content: the request, see `serialised`.
            silence: seconds without a byte from the other side after which it counts as gone.

        Raises:
            httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError: no whole answer came.
        """
        if self._transport is None:
            raise httpx.ReadError("the connection was closed")
        self._begin()
        answer: asyncio.Future[httpx.Response] = self._loop.create_future()
        self._answer = answer
        self._timer = self._loop.call_later(silence, self._watch, silence)
        self._transport.write(content)
        try:
            return await answer
        finally:
            self._answer = None
            self._timer.cancel()
            self.idle_since = self._loop.time()
            if not self._keep:
                self.abort()

    def usable(self) -> bool:
        """Whether it is open and silent, so that another exchange may follow."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and not self._poll.poll(0)

    def abort(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._size = self._received = 0
        self._in_head, self._framed, self._complete, self._keep = True, False, False, False
        self._heard_at = self._loop.time()

    def _watch(self, silence: float) -> None:
        left = self._heard_at + silence - self._loop.time()
        if left <= 0:
            self._fail(httpx.ReadTimeout(f"nothing came for {silence:g} s"))
        else:
            self._timer = self._loop.call_later(left, self._watch, silence)

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(
                httpx.Response(
                    self._parser.get_status_code(),
                    headers=self._headers,
                    stream=httpx.ByteStream(b"".join(self._chunks)),
                )
            )

    def _fail(self, error: httpx.TransportError) -> None:
        self._keep = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._received += len(data)
        if self._answer is None or self._complete:
            self.abort()  # nobody asked: what follows cannot be told apart from an answer
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("the answer is not HTTP/1.1"))
            return
        if self._complete or self._size > self._limit:
            self._finish()
        elif self._received > (_HEAD_BYTES if self._in_head else _HEAD_BYTES + 4 * self._limit):
            self._fail(httpx.RemoteProtocolError("the answer has no end"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self._keep = None, False
        if exc is None and not self._in_head and not self._framed:
            self._finish()  # an answer of no stated length ends with the connection
        elif exc is None:
            self._fail(httpx.RemoteProtocolError("the connection was closed before the answer"))
        else:
            self._fail(httpx.ReadError(f"the connection broke ({type(exc).__name__})"))

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self._complete:
            self._keep = False  # a second answer to one request
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what follows the body is not a header of it
            self._headers.append((name, value))
            self._framed = self._framed or name.lower() in _LENGTHS

    def on_headers_complete(self) -> None:
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # told on the way; the answer is still to come
            self._headers, self._in_head, self._framed = [], True, False
            return
        self._complete, self._keep = True, bool(self._parser.should_keep_alive())
