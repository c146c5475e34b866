"""What is exported is everything, also while others write."""

from __future__ import annotations

from typing import Any

import orjson

from orchestrator.memory.export import export
from tests.orchestrator.memory.conftest import Project


def put(project: Project, number: int, **changed: Any) -> None:
    row = {
        "key": f"e-{number}", "origin": "b", "sandbox": True, "lead_id": "L-1", "event": {},
        "mac": "m", "at": "2026-03-10T14:00:00Z",
    }  # fmt: skip
    project.twin.tables.take("swarm_lessons", [row | changed], ["key"], "merge-duplicates")


def test_what_is_erased_or_written_anew_meanwhile_hides_no_other_row(
    project: Project, clock: Any
) -> None:
    project.behave(supabase_most_rows=2)
    for number in range(6):
        put(project, number)
        clock.step(seconds=1)
    put(project, 7, sandbox=False)
    lines: list[bytes] = []

    def write(page: bytes) -> None:
        lines.extend(page.splitlines())
        if len(lines) == 2:
            put(project, 0)
            project.twin.tables.drop("swarm_lessons", [{"key": "e-1"}])

    number = project.run(lambda wire: export(wire, write, sandbox=True))
    told = [orjson.loads(line) for line in lines]
    assert {one["table"] for one in told} == {"swarm_lessons"}
    assert [one["row"]["key"] for one in told] == [f"e-{number}" for number in range(6)]
    assert number == 6
