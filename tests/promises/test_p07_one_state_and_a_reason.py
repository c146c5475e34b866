"""P7: every lead ends in exactly one state, none is lost, and the record alone says why."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.processes.swarm import (
    ROOT,
    assert_each_lead_ended_once,
    records,
    shadow,
    swarm,
)

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The sample leads, then a row nobody can use, the first person again, and an opt-out."""
    directory = tmp_path_factory.mktemp("p07")
    header, *rows = (ROOT / "data" / "initial_batch.csv").read_text().splitlines()
    place = header.split(",").index("Email")
    broken = rows[0].split(",")
    broken[place] = "no address at all"
    again = rows[0].split(",")
    again[place] = again[place].replace("@", "+again@")
    leads = directory / "leads.csv"
    leads.write_text("\n".join([header, *rows, ",".join(broken), ",".join(again), ""]))
    hive = directory / "hive"
    return hive, shadow(hive, leads)


def test_no_row_is_lost_and_each_ends_once(mixed: tuple[Path, dict[str, Any]]) -> None:
    hive, report = mixed
    assert_each_lead_ended_once(hive, report, 12)
    states = {item["row"]: item["state"] for item in report["items"]}
    assert (states[11], states[12]) == ("invalid", "duplicate")


def test_every_end_is_on_record_and_explained_from_the_record_alone(
    mixed: tuple[Path, dict[str, Any]],
) -> None:
    hive, report = mixed
    written = {record["audit_id"]: record for record in records(hive)}
    for item in report["items"]:
        assert written[item["audit_id"]]["body"]["state"] == item["state"]
        code, told = swarm(hive, "explain", item["audit_id"])
        assert code == 0
        assert item["state"].replace("_", " ") in told["text"]
        assert all(reason["code"] in told["text"] for reason in item["reasons"])


def test_every_decision_is_derived_again_from_its_recorded_inputs(
    mixed: tuple[Path, dict[str, Any]],
) -> None:
    hive, report = mixed
    decided = [item for item in report["items"] if item["state"] not in {"invalid", "duplicate"}]
    assert len(decided) == 10
    for item in decided:
        code, again = swarm(hive, "replay", item["audit_id"])
        assert (code, again["same"], again["differences"]) == (0, True, [])


def test_an_edited_record_is_found_and_named(mixed: tuple[Path, dict[str, Any]]) -> None:
    hive, _ = mixed
    file = max((hive / "audit").glob("*.jsonl"))
    good = file.read_bytes()
    lines = good.splitlines(keepends=True)
    record = json.loads(lines[3])
    record["body"]["state"] = "shadow_logged!"
    lines[3] = json.dumps(record).encode() + b"\n"
    file.write_bytes(b"".join(lines))
    try:
        code, verified = swarm(hive, "audit", "verify")
        assert (code, verified["ok"]) == (1, False)
        assert verified["first_bad"]["line"] == 4
    finally:
        file.write_bytes(good)


def test_an_unknown_id_is_a_clear_error(mixed: tuple[Path, dict[str, Any]]) -> None:
    hive, _ = mixed
    code, told = swarm(hive, "explain", "L-nobody")
    assert (code, told["error"]["code"]) == (2, "not_found")
