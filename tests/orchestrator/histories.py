"""Histories of workflows as the engine keeps them. Owns: recording them from a hive, reading them.

`python -m tests.orchestrator.histories HIVE` writes one of each kind that a run in HIVE left (a
sandbox hive: everybody in it is made up) to tests/data/histories.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.engine import APPLICATION_VERSION

FOLDER = Path(__file__).parents[1] / "data" / "histories"
Json = dict[str, Any]


@dataclass(frozen=True)
class History:
    """One workflow: its steps in order with what each gave, and its result."""

    name: str
    workflow: str
    version: str
    about: str  # what its id began with
    steps: tuple[tuple[str, Json], ...]
    result: Json

    @classmethod
    def read(cls, file: Path) -> History:
        """One that was recorded."""
        told = json.loads(file.read_text())
        steps = tuple((step["name"], step["output"]) for step in told["steps"])
        return cls(
            file.stem, told["workflow"], told["version"], told["about"], steps, told["result"]
        )


def recorded() -> list[History]:
    """All of them."""
    return [History.read(file) for file in sorted(FOLDER.glob("*.json"))]


def record(hive: Path) -> list[Path]:
    """One of each kind: by workflow, and by the names of its steps."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    with sqlite3.connect(f"file:{hive / 'swarm.db'}?mode=ro", uri=True) as conn:
        for id_, workflow, output in conn.execute(_ENDED).fetchall():
            steps = [
                {"name": name, "output": json.loads(gave)}
                for name, gave in conn.execute(_STEPS, (id_,))
            ]
            kind = f"{workflow}-{len(steps)}-steps-v{APPLICATION_VERSION}"
            about = ":".join(id_.split(":")[:-2])
            told = {"workflow": workflow, "version": APPLICATION_VERSION, "about": about,
                    "steps": steps, "result": json.loads(output)}  # fmt: skip
            if kind not in written:
                written[kind] = FOLDER / f"{kind}.json"
                written[kind].write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return list(written.values())


_ENDED = """SELECT s.workflow_uuid, s.name, o.output FROM workflow_status s
JOIN workflow_output o ON o.workflow_uuid = s.workflow_uuid
WHERE s.status = 'SUCCESS' ORDER BY s.created_at"""
_STEPS = """SELECT function_name, output FROM operation_outputs WHERE workflow_uuid = ?
ORDER BY function_id"""

if __name__ == "__main__":
    for made in record(Path(sys.argv[1])):
        sys.stdout.write(f"{made}\n")
