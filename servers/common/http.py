"""How every adapter talks to its vendor. Owns: the composition of transports and `VendorClient`.

One stack for all vendors, outermost first:

    mode lock → retry → whole body → key headers → wire

The lock stands in the transport, so that it also holds for somebody who takes the `httpx` client
of an adapter and calls it directly (P4). Redirects are not followed, proxies of the environment
are ignored, TLS is verified. Refuses: an address that would send a key in clear text.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import orjson
from pydantic import SecretStr

from guardrails.config.models import Timeouts, VendorConfig
from guardrails.model import Mode
from servers.common.http_answer import Answer
from servers.common.http_errors import Scrubber, error_of, no_answer
from servers.common.http_lock import ModeLock
from servers.common.http_retry import JSON_VALUE, Retry, Sleep
from servers.common.http_wire import KeyHeaders, WholeBody, checked_base, open_wire
from servers.common.operations import Operation

USER_AGENT = "chiefaiofficer-swarm/0.1 (revenue operations; contact: the operator)"
MAX_BODY_BYTES = 5_000_000
Layer = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]
Params = Mapping[str, str | int]


class VendorClient:
    """One vendor's declared operations over one connection pool. Use as a context manager."""

    def __init__(
        self,
        vendor: str,
        base: httpx.URL,
        transport: httpx.AsyncBaseTransport,
        *,
        timeouts: Timeouts,
        headers: Mapping[str, str],
        scrub: Scrubber,
    ) -> None:
        self.vendor = vendor
        self._base = str(base).rstrip("/")
        self._headers = httpx.Headers(
            {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
        )
        self._extensions = {"timeout": _limits(timeouts).as_dict()}
        self._scrub = scrub
        self._urls: dict[str, httpx.URL] = {}
        self._transport = transport
        self._timeouts = timeouts

    @cached_property
    def http(self) -> httpx.AsyncClient:
        """An `httpx` client over the same layers, for what `request` does not do."""
        return httpx.AsyncClient(
            base_url=self._base,
            transport=self._transport,
            headers=self._headers,
            timeout=_limits(self._timeouts),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection pool."""
        await self._transport.aclose()

    async def request(
        self,
        operation: Operation,
        *,
        path_params: Mapping[str, str] | None = None,
        params: Params | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for one operation.

        Args:
            operation: one of those the client was opened with.
            path_params: values of the path template's names, inserted as they are: a value that
                is not a plain path segment is refused by the lock.
            params: query parameters.
            json: body, sent as JSON.
            headers: more headers, such as an API version.

        Raises:
            Refused: the mode lock said no; nothing was sent.
            VendorUnavailable, VendorRejected, VendorSchemaDrift: see `guardrails.errors`.
        """
        request = self._build(operation, path_params, params, json, headers)
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.HTTPError as error:
            raise no_answer(self.vendor, operation, error) from error
        if not response.is_success:
            raise error_of(self.vendor, operation, response, self._scrub)
        return Answer(
            vendor=self.vendor,
            operation=operation.name,
            status=response.status_code,
            content_type=response.headers.get("content-type", ""),
            body=response.content,
            parsed=response.extensions.get(JSON_VALUE),
        )

    def _build(
        self,
        operation: Operation,
        path_params: Mapping[str, str] | None,
        params: Params | None,
        json: Any,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        body = None if json is None else orjson.dumps(json)
        merged = self._headers.copy()
        if body is not None:
            merged["Content-Type"] = "application/json"
        if headers:
            merged.update(headers)
        return httpx.Request(
            operation.method,
            self._url(operation, path_params, params),
            headers=merged,
            content=body,
            extensions=dict(self._extensions),
        )

    def _url(
        self, operation: Operation, path_params: Mapping[str, str] | None, params: Params | None
    ) -> httpx.URL:
        if not path_params and not params:
            cached = self._urls.get(operation.name)
            if cached is None:
                cached = self._urls[operation.name] = httpx.URL(self._base + operation.path)
            return cached
        path = operation.path.format_map(path_params) if path_params else operation.path
        query = f"?{urlencode(params)}" if params else ""
        return httpx.URL(self._base + path + query)


def compose(wire: httpx.AsyncBaseTransport, *layers: Layer) -> httpx.AsyncBaseTransport:
    """`wire` inside the layers, the first named outermost."""
    transport = wire
    for layer in reversed(layers):
        transport = layer(transport)
    return transport


def open_client(
    vendor: str,
    config: VendorConfig,
    base_url: str,
    operations: Sequence[Operation],
    mode: Mode,
    *,
    keys: Mapping[str, SecretStr] | None = None,
    headers: Mapping[str, str] | None = None,
    wire: httpx.AsyncBaseTransport | None = None,
    sleep: Sleep = asyncio.sleep,
    rng: random.Random | None = None,
) -> VendorClient:
    """The client of one vendor, for exactly these operations.

    Args:
        keys: header name to secret; added below the lock and shown nowhere.
        headers: further fixed headers.
        wire: stands in for the network, e.g. `httpx.ASGITransport` of a twin.
        sleep, rng: time and chance of the retries.

    Raises:
        ConfigError: `base_url` has a user, query or fragment, or is plain http to another machine.
    """
    for name in ("httpx", "httpcore"):  # their lines hold URLs, and at DEBUG every header
        logging.getLogger(name).setLevel(logging.WARNING)
    base = checked_base(vendor, base_url)
    secrets = dict(keys or {})
    transport = compose(
        wire or open_wire(base),
        lambda inner: ModeLock(inner, vendor=vendor, base=base, operations=operations, mode=mode),
        lambda inner: Retry(
            inner,
            attempts=config.max_attempts,
            total_s=config.timeouts.total,
            sleep=sleep,
            rng=rng or random.Random(),  # noqa: S311  # spreads retries, guards nothing
        ),
        lambda inner: WholeBody(inner, vendor=vendor, limit=MAX_BODY_BYTES),
        lambda inner: KeyHeaders(inner, secrets),
    )
    return VendorClient(
        vendor,
        base,
        transport,
        timeouts=config.timeouts,
        headers=headers or {},
        scrub=Scrubber(secrets.values()),
    )


def _limits(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(
        connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool
    )


__all__ = ["Answer", "VendorClient", "compose", "open_client"]
