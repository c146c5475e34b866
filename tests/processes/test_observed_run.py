"""One sandbox run, looked at from outside: its traces, its logs, and a person taken out of it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.enricher import twin_clay, twin_rb2b
from servers.ghl import twin_door
from servers.instantly import twin_lookups as twin_instantly
from tests.collector import Collector, collecting
from tests.processes.swarm import ROOT, emails, run, shadow_command, swarm

pytestmark = pytest.mark.processes
LEADS = ROOT / "data" / "initial_batch.csv"
DANA = "dana.whitlock@brightforge.example"
KEYS = (twin_door.TOKEN, twin_instantly.KEY, twin_clay.KEY, twin_rb2b.KEY)
ADDRESS = re.compile(rb"[\w.+-]+@[\w-]+\.[\w.-]+")


@dataclass(frozen=True)
class Observed:
    """A run and everything that it left."""

    hive: Path
    report: dict[str, Any]
    collector: Collector


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The ten sample leads, traced."""
    hive = tmp_path_factory.mktemp("observed") / "hive"
    with collecting() as collector:
        done = run(
            shadow_command(hive, LEADS),
            hive.parent,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield Observed(hive, json.loads(done.stdout), collector)


def test_one_lead_is_one_trace_over_queen_and_servers(observed: Observed) -> None:
    (item,) = [item for item in observed.report["items"] if item["email"] == DANA]
    traces = [
        spans
        for spans in observed.collector.traces().values()
        if any(span["ids"].get("swarm.lead_id") == item["lead_id"] for span in spans)
    ]
    assert len(traces) == 1
    (spans,) = traces
    assert {"queen", "ghl", "instantly", "enricher", "crafter", "guardrails"} <= {
        span["service"] for span in spans
    }
    (root,) = [span for span in spans if not span["parent"]]
    assert (root["service"], root["name"]) == ("queen", "prepare_lead")
    assert root["ids"]["swarm.state"] == "shadow_logged"
    assert root["ids"]["swarm.audit_id"].startswith("A-")
    assert {"call guardrails.review_lead", "guardrails.review_lead"} <= {
        span["name"] for span in spans
    }


def test_a_trace_names_nobody(observed: Observed) -> None:
    assert observed.collector.raw
    assert not [body for body in observed.collector.raw if ADDRESS.search(body)]


def _lines(hive: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((hive / "logs").iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.name, line


def test_every_log_line_is_json_and_names_neither_person_nor_key_nor_body(
    observed: Observed,
) -> None:
    with LEADS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    people = {value.lower() for row in rows for value in row.values() if value and "@" in value}
    people |= {row["Last Name"].lower() for row in rows if len(row.get("Last Name") or "") > 4}
    bodies = [mail["body"][40:100] for mail in emails(observed.hive)]
    assert len(people) >= 10
    assert bodies
    seen = 0
    for name, line in _lines(observed.hive):
        event = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(event), (name, line)
        assert not ADDRESS.search(line.encode()), (name, line)
        assert not [who for who in people if who in line.lower()], (name, line)
        assert not [key for key in KEYS if key in line], (name, line)
        assert not [body for body in bodies if body in line], (name, line)
        seen += 1
    assert seen


def test_a_decision_is_found_in_the_log_by_its_lead_and_its_id(observed: Observed) -> None:
    decided = [
        event
        for name, line in _lines(observed.hive)
        if name == "guardrails.log" and (event := json.loads(line))["event"] == "decided"
    ]
    known = {item["lead_id"]: item["state"] for item in observed.report["items"]}
    assert {event["lead_id"]: event["state"] for event in decided} == known
    assert all(event["decision_id"].startswith("D-") and event["run_id"] for event in decided)


def test_a_forgotten_person_is_in_no_file_and_the_record_still_tells_the_decision(
    observed: Observed,
) -> None:
    hive = observed.hive
    before = [path for path in hive.rglob("*") if path.is_file() and _holds(path)]
    assert before
    code, told = swarm(hive, "forget", DANA.upper(), "--reason", "She asked us to")
    assert (code, told["left_in"]) == (0, [])
    assert not [path for path in hive.rglob("*") if path.is_file() and _holds(path)]
    assert DANA not in {mail["to"] for mail in emails(hive)}
    assert swarm(hive, "audit", "verify")[0] == 0
    code, explained = swarm(hive, "explain", DANA)
    assert code == 0
    assert "whitlock" not in json.dumps(explained).lower()
    assert "shadow_logged" in json.dumps(explained)


def _holds(path: Path) -> bool:
    return DANA.encode() in path.read_bytes().lower()
