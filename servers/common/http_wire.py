"""The innermost layers: bytes in and out. Owns: address, TLS, body size, where a key is added.

Refuses: answers above the size limit (also when only their decompressed form is), and content
encodings we did not ask for.
"""

from __future__ import annotations

import functools
import ipaddress
import ssl
import zlib
from collections.abc import Mapping

import certifi
import httpx
import orjson
from pydantic import SecretStr

from guardrails.errors import ConfigError, VendorSchemaDrift
from servers.common.http_lock import OPERATION

JSON_VALUE = "swarm.json"  # the parsed body of a 2xx answer that says it is JSON
MALFORMED = "swarm.malformed"  # set when such a body is none
# An idle connection is given up before the other end would close it (5 s where they are strict): a
# request that meets the closing gets no answer, and for a write that is an unknown fate.
_IDLE_S = 4.0
_POOL = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=_IDLE_S)
_BODY_HEADERS = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


def checked_base(vendor: str, base_url: str) -> httpx.URL:
    """The base URL, when a key may be sent there.

    Raises:
        ConfigError: it has a user, query or fragment, or is plain http to another machine.
    """
    try:
        base = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigError(f"{vendor}: the base URL is not a URL") from error
    if base.scheme not in ("http", "https") or not base.host:
        raise ConfigError(f"{vendor}: the base URL must be http(s)://host…")
    if base.userinfo or base.query or base.fragment:
        raise ConfigError(f"{vendor}: the base URL must have no user, query or fragment")
    if base.scheme == "http" and not _is_here(base.host):
        raise ConfigError(
            f"{vendor}: http://{base.host} would send the key in clear text",
            remedy="Use https, or a loopback address for a twin or proxy.",
        )
    return base


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_wire(base: httpx.URL) -> httpx.AsyncHTTPTransport:
    """A pooled connection to the network. Verifies certificates; knows no proxy."""
    context = _verifying() if base.scheme == "https" else _trusting_nobody()
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=_POOL, retries=0)


@functools.cache
def _verifying() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


@functools.cache
def _trusting_nobody() -> ssl.SSLContext:
    """For loopback http: no certificate is loaded, so that a TLS connection cannot succeed."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class KeyHeaders(httpx.AsyncBaseTransport):
    """Adds the vendor's key to a copy of the request, below everything that could show it."""

    def __init__(self, inner: httpx.AsyncBaseTransport, keys: Mapping[str, SecretStr]) -> None:
        self._inner = inner
        self._keys = tuple((name.encode("ascii"), key) for name, key in keys.items())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._keys:
            return await self._inner.handle_async_request(request)
        keys = [(name, key.get_secret_value().encode("ascii")) for name, key in self._keys]
        names = {name.lower() for name, _ in self._keys}
        kept = [pair for pair in request.headers.raw if pair[0].lower() not in names]
        return await self._inner.handle_async_request(
            httpx.Request(
                request.method,
                request.url,
                headers=[*kept, *keys],
                stream=request.stream,
                extensions=request.extensions,
            )
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class WholeBody(httpx.AsyncBaseTransport):
    """Reads the whole answer, bounded, inside the attempt: a torn body can be asked for again.

    Raises:
        VendorSchemaDrift: larger than the limit, or in an encoding we did not ask for.
        httpx.TransportError: the connection broke while reading.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, *, vendor: str, limit: int) -> None:
        self._inner = inner
        self._vendor = vendor
        self._limit = limit

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        try:
            body = await self._read(request, response)
        finally:
            await response.aclose()
        kept = [pair for pair in response.headers.raw if pair[0].lower() not in _BODY_HEADERS]
        whole = httpx.Response(response.status_code, headers=kept, content=body)
        _parse(whole)
        return whole

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _read(self, request: httpx.Request, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise self._refused(request, response, f"the answer has encoding {encoding:.20}")
        inflate = zlib.decompressobj(31) if "gzip" in encoding else None
        chunks: list[bytes] = []
        size, begun = 0, False
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("a transport must answer with an asynchronous stream")
        async for raw in response.stream:
            begun = begun or bool(raw)
            chunk = raw if inflate is None else self._inflate(request, inflate, raw, size)
            size += len(chunk)
            if size > self._limit:
                raise self._refused(
                    request, response, f"the answer is larger than {self._limit} bytes"
                )
            chunks.append(chunk)
        if inflate is not None and begun and not inflate.eof:
            raise httpx.RemoteProtocolError("the compressed answer was cut off", request=request)
        return b"".join(chunks)

    def _inflate(
        self, request: httpx.Request, inflate: zlib._Decompress, raw: bytes, size: int
    ) -> bytes:
        try:
            room = self._limit - size + 1  # one byte more than allowed shows the excess
            chunk = inflate.decompress(raw, room)
        except zlib.error as error:
            raise httpx.RemoteProtocolError("the answer is not gzip", request=request) from error
        if inflate.unused_data:  # would be kept, without bound, and be no part of the answer
            raise httpx.RemoteProtocolError("the compressed answer goes on", request=request)
        return chunk

    def _refused(
        self, request: httpx.Request, response: httpx.Response, why: str
    ) -> VendorSchemaDrift:
        name = request.extensions[OPERATION].name
        return VendorSchemaDrift(
            f"{self._vendor} {name}: {why}",
            vendor=self._vendor,
            operation=name,
            status=response.status_code,
        )


def _parse(response: httpx.Response) -> None:
    """Parse a 2xx that says it is JSON, once for everybody: who retries, counts or reads it."""
    kind = response.headers.get("content-type", "")
    if not response.is_success or "json" not in kind or not response.content:
        return
    try:
        response.extensions[JSON_VALUE] = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        response.extensions[MALFORMED] = True
