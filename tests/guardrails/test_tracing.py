"""Traces: off costs nothing; on, a trace goes through the `_meta` of a call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from guardrails import tracing
from tests.collector import Collector, collecting


@pytest.fixture
def on() -> Iterator[Collector]:
    """Spans go to a collector that has them when this ends."""
    with collecting() as collector:
        tracing.begin("test", collector.endpoint)
        yield collector
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


def test_a_trace_is_carried_and_continued(on: Collector) -> None:
    assert tracing.as_meta() == {}
    with tracing.span("queen"):
        carried = tracing.as_meta()
        trace = carried["traceparent"].split("-")[1]
    with tracing.continued(carried, "server", lead_id="L-1"):
        assert tracing.as_meta()["traceparent"].split("-")[1] == trace
    for strange in (None, {}, {"traceparent": 7}, {"traceparent": "no trace"}):
        with tracing.continued(strange, "server"):
            assert tracing.as_meta()["traceparent"].split("-")[1] != trace
    tracing.end()
    sent = on.traces()
    assert len(sent) == 1 + 4
    queen, server = sorted(sent[trace], key=lambda span: span["name"])
    assert (queen["name"], queen["parent"], queen["ids"]) == ("queen", "", {})
    assert (server["name"], server["ids"]) == ("server", {"swarm.lead_id": "L-1"})
    assert server["parent"] == carried["traceparent"].split("-")[2]


def test_an_error_passes_through_and_its_words_stay_out(on: Collector) -> None:
    with pytest.raises(ValueError, match="ana"), tracing.span("queen"):
        raise ValueError("ana@firm.example")
    tracing.end()
    assert b"ValueError" in b"".join(on.raw)
    assert b"ana" not in b"".join(on.raw)


def test_a_collector_that_is_away_holds_nobody_up() -> None:
    # In a process of its own: the exporter's thread goes on trying until its process ends.
    code = (
        "import threading; from guardrails import tracing\n"
        "tracing.begin('x', 'http://127.0.0.1:9')\n"
        "with tracing.span('a'): pass\n"
        "tracing.end()\n"
        "assert 'traces' in {thread.name for thread in threading.enumerate()}\n"
        "print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
