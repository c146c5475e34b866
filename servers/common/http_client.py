"""One vendor's declared operations. Owns: building a request, and what an answer becomes.

What may leave, and when, is not decided here but in the transport below (`servers.common.http`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import orjson

from guardrails.brakes.desk import CallEnd
from guardrails.brakes.failures import FailureTracker
from guardrails.config.models import Timeouts
from guardrails.errors import VendorUnavailable
from servers.common.http_answer import Answer
from servers.common.http_drift import Drift
from servers.common.http_errors import Scrubber, error_of, no_answer
from servers.common.http_lock import PERMIT, WRITE_KEY
from servers.common.http_wire import JSON_VALUE, MALFORMED
from servers.common.operations import Effect, Operation

USER_AGENT = "chiefaiofficer-swarm/0.1 (revenue operations; contact: the operator)"
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
        renamed: Mapping[str, str],
        failures: FailureTracker,
        tell: Callable[[CallEnd], None],
    ) -> None:
        self.vendor = vendor
        self._renamed = renamed
        self._failures = failures
        self._tell = tell
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
        permit: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """Ask for one operation.

        Args:
            operation: one of those the client was opened with.
            path_params: values of the path template's names, inserted as they are: a value that
                is not a plain path segment is refused by the lock.
            params: query parameters.
            json: body, sent as JSON.
            headers: more headers, such as an API version.
            permit, key: of a write: its permit, and its row in the send ledger.

        Raises:
            Refused: the mode lock or the permit said no; nothing was sent.
            Stopped, StoreUnavailable: the permit could not be spent; nothing was sent.
            VendorUnavailable, VendorRejected, VendorSchemaDrift: see `guardrails.errors`.
        """
        request = self._build(operation, path_params, params, json, headers)
        if permit is not None:
            request.extensions[PERMIT] = permit
        if key is not None:
            request.extensions[WRITE_KEY] = key
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.HTTPError as error:
            raise no_answer(self.vendor, operation, error) from error
        if not response.is_success:
            raise error_of(self.vendor, operation, response, self._scrub)
        if operation.effect is Effect.WRITE and MALFORMED in response.extensions:
            raise VendorUnavailable(  # the ledger has it as unknown
                f"{self.vendor} {operation.name}: HTTP {response.status_code} that is not JSON",
                vendor=self.vendor,
                operation=operation.name,
                status=response.status_code,
            )
        return Answer(
            vendor=self.vendor,
            operation=operation.name,
            status=response.status_code,
            content_type=response.headers.get("content-type", ""),
            body=response.content,
            parsed=response.extensions.get(JSON_VALUE),
            renamed=self._renamed,
            note=self._note,
        )

    def _note(self, drift: Drift) -> None:
        """An answer in another form than documented is a failure, though it was a success."""
        row = self._failures.row(
            "schema_drift",
            drift.operation,
            drift.detail,
            vendor=self.vendor,
            status=drift.status,
        )
        self._tell(CallEnd(self.vendor, failure=row))

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


def _limits(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(
        connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool
    )
