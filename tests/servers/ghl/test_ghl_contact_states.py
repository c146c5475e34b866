"""Tags, DND, workflows and notes of a contact: one by one, nothing else lost, nothing twice."""

from __future__ import annotations

import pytest

from guardrails.errors import BadInput, VendorRejected
from servers.ghl import contract_writes as writes
from tests.servers.ghl.writing import Studio

pytestmark = pytest.mark.anyio
EMAIL = "ana@firm.example"


async def test_tags_are_added_and_removed_one_by_one(studio: Studio) -> None:
    own = studio.new_contact(EMAIL, tags=["vip"])
    add = writes.AddTags(key="t:1", permit="", contact_id=own, tags=("AI swarm", "vip"))
    assert (await studio.do(add)).status == "sent"
    assert sorted(studio.contact(EMAIL)["tags"]) == ["ai swarm", "vip"]
    again = add.model_copy(update={"key": "t:2"})
    assert (await studio.do(again)).status == "already"
    remove = writes.RemoveTags(key="t:3", permit="", contact_id=own, tags=("ai swarm",))
    assert (await studio.do(remove)).status == "sent"
    assert studio.contact(EMAIL)["tags"] == ["vip"]
    gone = remove.model_copy(update={"key": "t:4"})
    assert (await studio.do(gone)).status == "already"
    assert len(studio.wire.written) == 2


async def test_dnd_is_only_ever_added(studio: Studio) -> None:
    own = studio.new_contact(
        EMAIL, dndSettings={"SMS": {"status": "active"}, "Call": {"status": "permanent"}}
    )
    only = writes.SetDnd(key="d:1", permit="", contact_id=own, channels={"Email": "active"})
    with pytest.raises(BadInput) as told:
        await studio.do(only)
    wanted = "{'Call': 'permanent', 'Email': 'active', 'SMS': 'active'}"
    assert wanted in told.value.remedy
    lowered = {"Email": "active", "SMS": "active", "Call": "active"}
    with pytest.raises(BadInput):
        await studio.do(only.model_copy(update={"key": "d:2", "channels": lowered}))
    whole = only.model_copy(update={"key": "d:3", "channels": lowered | {"Call": "permanent"}})
    assert (await studio.do(whole)).status == "sent"
    held = studio.contact(EMAIL)["dndSettings"]
    assert {name: one["status"] for name, one in held.items()} == lowered | {"Call": "permanent"}
    assert (await studio.do(whole.model_copy(update={"key": "d:4"}))).status == "already"


async def test_a_workflow_that_would_do_nothing_is_refused(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    draft = next(w["id"] for w in studio.records.workflows if w["status"] == "draft")
    for key, workflow in (("w:1", draft), ("w:2", "nosuch")):
        with pytest.raises(BadInput):
            await studio.do(
                writes.AddToWorkflow(key=key, permit="", contact_id=own, workflow_id=workflow)
            )
    assert studio.records.workflow_members == []
    assert studio.wire.written == []


async def test_a_200_that_says_it_did_not_succeed_is_a_failure(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    published = next(w["id"] for w in studio.records.workflows if w["status"] == "published")
    studio.wire.faults = ["says_no"]
    with pytest.raises(VendorRejected, match="succeded: false"):
        await studio.do(
            writes.AddToWorkflow(key="w:1", permit="", contact_id=own, workflow_id=published)
        )
    assert studio.office.status("w:1") == "failed"


async def test_two_notes_of_the_same_words_are_told_apart_by_their_reference(
    studio: Studio,
) -> None:
    own = studio.new_contact(EMAIL)
    note = writes.AddNote(key="note:1", permit="", contact_id=own, text="Same words.")
    first = await studio.do(note)
    second = await studio.do(note.model_copy(update={"key": "note:2"}))
    assert [n["id"] for n in studio.records.notes] == [first.vendor_ref, second.vendor_ref]
    texts = {n["body"] for n in studio.records.notes}
    assert len(texts) == 2  # the reference tells them apart
    assert all(text.startswith("Same words.\n\nRef ") for text in texts)
