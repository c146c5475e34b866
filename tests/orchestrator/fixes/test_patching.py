"""What a fix may touch: attacks on the patch, and the few places that are open."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.config.loader import packaged_file
from guardrails.errors import Refused
from orchestrator.fixes.allowed import alias_refusal
from orchestrator.fixes.model import Patch, PatchOp
from orchestrator.fixes.patching import inverse_of, patched, rendered, reverted

PACKAGED: dict[str, Any] = json.loads(packaged_file("production").read_text())
READ = "/vendors/ghl/timeouts/read"


def ops(*wire: dict[str, Any]) -> Patch:
    return tuple(PatchOp.model_validate(one) for one in wire)


def change(path: str, new: Any, old: Any = None) -> Patch:
    found: Any = PACKAGED
    for name in path.split("/")[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return ops(
        {"op": "test", "path": path, "value": found if old is None else old},
        {"op": "replace", "path": path, "value": new},
    )


def add(path: str, value: Any) -> Patch:
    return ops({"op": "add", "path": path, "value": value})


@pytest.mark.parametrize(
    "patch",
    [
        change(READ, 40),
        change("/vendors/ghl/limits/requests", 50),
        change("/vendors/gdelt/limits/per_seconds", 10),
        change("/vendors/ghl/limits/per_day", 100_000),
        change("/vendors/clay/max_attempts", 1),
        change("/work/concurrency", 4),
        change("/vendors/ghl/api_version", "v3"),
        add("/vendors/ghl/renamed_fields", {"people": "contacts"}),
        add("/vendors/clay/outputs/branch", "industry"),
    ],
)
def test_the_open_places_take_a_fix(patch: Patch) -> None:
    after = patched(patch, PACKAGED, PACKAGED)
    assert after != PACKAGED
    assert reverted(patch, after, inverse_of(patch, PACKAGED), PACKAGED) == PACKAGED


FORBIDDEN: list[Patch] = [
    change("/mode", "live"),
    change("/schema_version", 2),
    change("/spend/daily_cap_micros", 10**12),
    change("/spend/prices_micros/clay/run_routine", 0),
    change("/spend/vendor_daily_cap_micros/clay", 10**12),
    change("/sending_limits/per_day", 10_000),
    change("/sending_limits/spacing_s", 0),
    change("/sending_window/days", ["sat", "sun"]),
    change("/breaker/consecutive", 1000),
    change("/retry_budget/ratio", 1),
    change("/failure_injection/enabled", True),
    change("/work/quarantine_after", 100),
    change("/work/enrichment_needs", []),
    change("/work/call_timeout_s", 600),
    change("/vendors/clay/routine_id", "mine"),
    change("/vendors/clay/poll_deadline_s", 600),
    # Open places, made looser.
    change("/vendors/ghl/limits/requests", 1000),
    change("/vendors/ghl/limits/requests", 99.5),
    change("/vendors/ghl/limits/requests", 0),
    change("/vendors/ghl/limits/requests", True),
    change("/vendors/ghl/limits/per_seconds", 1),
    change("/vendors/ghl/limits/per_day", 10**9),
    change("/vendors/ghl/limits/per_day", None),
    change("/vendors/gdelt/max_attempts", 3),
    change("/work/concurrency", 256),
    change("/work/concurrency", "4"),
    change(READ, 5),
    change(READ, "40"),
    change("/vendors/ghl/timeouts/read", 90),  # longer than the whole call
    change("/vendors/ghl/timeouts/total", 300),  # longer than the tool call that waits for it
    change("/vendors/ghl/base_url", "https://evil.example"),
    change("/vendors/ghl/api_version", "v3\r\nX-Evil: 1"),
    # Parents and wholes.
    change(
        "/vendors/ghl/timeouts", {"connect": 5, "read": 40, "write": 20, "pool": 1, "total": 60}
    ),
    change("/vendors/ghl/limits", {"requests": 1000, "per_seconds": 1}),
    change("/vendors/ghl", {}),
    change("/vendors", {}),
    change("/work", {}),
    ops({"op": "replace", "path": "", "value": {}}),
    ops({"op": "add", "path": "", "value": {}}),
    add("/policy", {}),
    add("/vendors/evil", {"base_url": "https://evil.example"}),
    add("/vendors/ghl/timeouts/extra", 1),
    # Tricks with the pointer.
    change("/vendors~1ghl/timeouts/read", 40),
    add("/vendors/ghl/renamed_fields/a~1b", "id"),
    add("/vendors/ghl/renamed_fields/a~0b", "id"),
    change("/vendors/ghl/timeouts/read/", 40),
    change("//vendors/ghl/timeouts/read", 40),
    change("/vendors/../vendors/ghl/timeouts/read", 40),
    change("vendors/ghl/timeouts/read", 40),
    add("/work/enrichment_needs/-", "email"),
    add("/work/enrichment_needs/0", "email"),
    change("/vendors/ghl/timeouts/read\n", 40),
    # Aliases that could hide an opt-out or change a recipient.
    add("/vendors/ghl/renamed_fields", {"nothing": "dnd"}),
    add("/vendors/ghl/renamed_fields", {"dnd": "nothing"}),
    add("/vendors/ghl/renamed_fields", {"x": "dndSettings"}),
    add("/vendors/ghl/renamed_fields", {"ok": "contacts", "x": "inboundDndSettings"}),
    add("/vendors/ghl/renamed_fields", {"backupEmail": "email"}),
    add("/vendors/instantly/renamed_fields", {"x": "lt_interest_status"}),
    add("/vendors/instantly/renamed_fields", {"x": "bl_value"}),
    add("/vendors/instantly/renamed_fields", {"x": "next_starting_after"}),
    add("/vendors/ghl/renamed_fields/labels", "tags"),
    add("/vendors/ghl/renamed_fields", {"x": {"y": "id"}}),
    add("/vendors/ghl/renamed_fields", ["id"]),
    add("/vendors/ghl/renamed_fields", {"id": "id"}),
    add("/vendors/clay/outputs/mail", "email"),
    add("/vendors/clay/outputs/owner", "ownership"),
    add("/vendors/clay/outputs/x", "no_such_fact"),
    change("/vendors/clay/outputs/email", "title"),
    # Operations that a fix does not need.
    ops({"op": "remove", "path": "/breaker"}),
    ops({"op": "test", "path": READ, "value": 20}),
    (),
]


@pytest.mark.parametrize("patch", FORBIDDEN, ids=str)
def test_nothing_else_is_a_fix(patch: Patch) -> None:
    with pytest.raises(Refused):
        patched(patch, PACKAGED, PACKAGED)


def test_copy_and_move_are_no_operations_of_a_fix() -> None:
    for name in ("move", "copy"):
        with pytest.raises(ValueError, match="op"):
            PatchOp.model_validate({"op": name, "from": "/mode", "path": READ})


def test_a_replacement_must_name_the_value_it_replaces() -> None:
    with pytest.raises(Refused, match="not named by a test"):
        patched(ops({"op": "replace", "path": READ, "value": 40}), PACKAGED, PACKAGED)
    with pytest.raises(Refused, match="changed since"):
        patched(change(READ, 40, old=10), PACKAGED, PACKAGED)


def test_an_addition_may_not_replace_what_is_there() -> None:
    document = copy.deepcopy(PACKAGED)
    document["vendors"]["ghl"]["renamed_fields"] = {"people": "contacts"}
    with pytest.raises(Refused):
        patched(add("/vendors/ghl/renamed_fields", {}), document, PACKAGED)
    with pytest.raises(Refused):
        patched(add("/vendors/ghl/renamed_fields/people", "contact"), document, PACKAGED)


def test_one_loose_operation_spoils_a_good_patch() -> None:
    with pytest.raises(Refused):
        patched((*change(READ, 40), *change("/mode", "live")), PACKAGED, PACKAGED)


def test_a_limit_cannot_be_loosened_in_two_steps() -> None:
    patch = (*change("/work/concurrency", 4), *change("/work/concurrency", 64, old=4))
    with pytest.raises(Refused):
        patched(patch, PACKAGED, PACKAGED)


def test_an_inverse_that_does_more_than_undo_is_refused() -> None:
    after = patched(change(READ, 40), PACKAGED, PACKAGED)
    honest = inverse_of(change(READ, 40), PACKAGED)
    for evil in (
        (*honest, *change("/mode", "live")),
        ops({"op": "test", "path": READ, "value": 40}, {"op": "replace", "path": "/mode",
            "value": "live"}),
        ops({"op": "replace", "path": "/vendors/ghl/limits/requests", "value": 1000}),
        (),
    ):  # fmt: skip
        with pytest.raises(Refused):
            reverted(change(READ, 40), after, evil, PACKAGED)


def test_what_changed_since_is_not_taken_back() -> None:
    after = patched(change(READ, 40), PACKAGED, PACKAGED)
    after["vendors"]["ghl"]["timeouts"]["read"] = 45
    with pytest.raises(Refused, match="changed there since"):
        reverted(change(READ, 40), after, inverse_of(change(READ, 40), PACKAGED), PACKAGED)


def test_other_changes_since_do_not_stand_in_the_way() -> None:
    after = patched(change(READ, 40), PACKAGED, PACKAGED)
    after["work"]["concurrency"] = 3
    found = reverted(change(READ, 40), after, inverse_of(change(READ, 40), PACKAGED), PACKAGED)
    assert (found["work"]["concurrency"], found["vendors"]["ghl"]["timeouts"]["read"]) == (3, 20)


def test_the_file_keeps_its_form() -> None:
    assert rendered(PACKAGED) == packaged_file("production").read_bytes()


@given(
    st.sampled_from(
        ["dnd", "dndSettings", "Tags", "leadType", "opt_out", "UNSUBSCRIBED", "e-mail"]
    ),
    st.sampled_from(["x", "y2", "people"]),
)
def test_no_spelling_of_a_safety_field_takes_an_alias(field: str, other: str) -> None:
    assert alias_refusal(other, field)
    assert alias_refusal(field, other)


_POINTERS = st.lists(
    st.sampled_from(["vendors", "ghl", "limits", "requests", "mode", "spend", "~0", "~1", "", "-"]),
    max_size=5,
).map(lambda names: "".join(f"/{name}" for name in names))
_VALUES = st.one_of(st.integers(), st.booleans(), st.text(max_size=5), st.just({}), st.none())


@given(
    st.lists(
        st.builds(
            lambda op, path, value: PatchOp(op=op, path=path, value=value),
            st.sampled_from(["test", "add", "replace", "remove"]),
            _POINTERS,
            _VALUES,
        ),
        max_size=4,
    )
)
def test_no_patch_whatsoever_touches_more_than_the_open_places(found: list[PatchOp]) -> None:
    try:
        after = patched(tuple(found), PACKAGED, PACKAGED)
    except Refused:
        return
    limits = after["vendors"]["ghl"]["limits"]
    assert limits["requests"] <= 100
    assert {**after, "vendors": None} == {**PACKAGED, "vendors": None}
