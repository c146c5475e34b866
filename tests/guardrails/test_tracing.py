"""Traces: off costs nothing; on, a trace goes through the `_meta` of a call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from guardrails import tracing


@pytest.fixture
def on() -> Iterator[None]:
    """Towards a collector that is not there."""
    tracing.begin("test", "http://127.0.0.1:9")
    yield
    tracing.end()


def test_off_nothing_is_imported_and_nothing_is_carried() -> None:
    code = (
        "import sys; from guardrails import tracing; tracing.begin('x', None)\n"
        "meta = {'traceparent': 'x'}\n"
        "with tracing.span('a'), tracing.continued(meta, 'b'): tracing.note(a='b')\n"
        "assert tracing.as_meta() == {}; tracing.end()\n"
        "import servers.common.main, orchestrator.mcp_session\n"
        # The MCP library brings the API along; what costs is the rest.
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter', 'requests')\n"
        "assert not [name for name in sys.modules if name.startswith(heavy)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_trace_is_carried_and_continued(on: None) -> None:
    assert tracing.as_meta() == {}
    with tracing.span("queen"):
        carried = tracing.as_meta()
        trace = carried["traceparent"].split("-")[1]
    with tracing.continued(carried, "server"):
        assert tracing.as_meta()["traceparent"].split("-")[1] == trace
    for strange in (None, {}, {"traceparent": 7}, {"traceparent": "no trace"}):
        with tracing.continued(strange, "server"):
            assert tracing.as_meta()["traceparent"].split("-")[1] != trace


def test_an_error_passes_through_and_its_words_stay_out(on: None) -> None:
    with pytest.raises(ValueError, match="ana"), tracing.span("queen"):
        raise ValueError("ana@firm.example")
