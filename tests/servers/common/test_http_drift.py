"""Answers of another form: aliases before validation, and what is told of a deviation."""

from __future__ import annotations

import orjson
import pytest
from pydantic import BaseModel, Field

from guardrails.errors import VendorSchemaDrift
from servers.common.http_answer import Answer
from servers.common.http_drift import Drift, renamed


class Person(BaseModel):
    id: str
    name: str | None = Field(default=None, alias="fullName")


def answer(value: object, notes: list[Drift], **names: str) -> Answer:
    return Answer(
        vendor="ghl", operation="get_contact", status=200, content_type="application/json",
        body=orjson.dumps(value), renamed=names, note=notes.append,
    )  # fmt: skip


def test_a_renamed_field_is_read_by_its_known_name_wherever_it_stands() -> None:
    notes: list[Drift] = []
    found = answer({"people": [{"contactId": "c1"}]}, notes, people="contacts", contactId="id")
    assert found.document() == {"contacts": [{"id": "c1"}]}
    assert found.parsed_as(Person, found.document()["contacts"][0]).id == "c1"
    assert notes == []


def test_a_field_that_has_its_known_name_keeps_it() -> None:
    assert renamed({"id": "real", "contactId": "alias"}, {"contactId": "id"}) == {
        "id": "real",
        "contactId": "alias",
    }


def test_without_aliases_the_parsed_document_is_handed_on_as_it_is() -> None:
    parsed = {"id": "c1"}
    found = Answer("ghl", "x", 200, "application/json", b"{}", parsed=parsed)
    assert found.json() is parsed


def test_a_document_nested_without_end_does_not_end_the_process() -> None:
    deep: object = "end"
    for _ in range(5000):
        deep = {"a": deep}
    assert isinstance(renamed(deep, {"b": "c"}), dict)


def test_a_missing_field_is_told_with_the_names_beside_it_and_no_value() -> None:
    notes: list[Drift] = []
    value = {"contactId": "secret-id", "fullName": "Jane", "zip": "12345"}
    found = answer({"contact": value}, notes)
    with pytest.raises(VendorSchemaDrift):
        found.parsed_as(Person, value, "contact")
    assert notes[0].detail == "field contact.id: missing; beside it: contactId, zip"


def test_a_missing_part_is_told_at_the_top() -> None:
    notes: list[Drift] = []
    found = answer({"person": {"id": "1"}}, notes)
    with pytest.raises(VendorSchemaDrift):
        found.parsed_as(Person, found.document().get("contact"), "contact")
    assert notes[0].detail == "field contact: missing; beside it: person"


def test_a_retyped_field_says_so() -> None:
    notes: list[Drift] = []
    with pytest.raises(VendorSchemaDrift):
        answer({}, notes).parsed_as(Person, {"id": 5})
    assert (notes[0].field, notes[0].problem) == ("id", "string_type")


def test_a_list_that_is_none_names_what_stands_there() -> None:
    notes: list[Drift] = []
    answer({"people": [], "total": 0}, notes).drift("no list of contacts")
    answer({"contacts": {}}, notes).drift("no list of contacts")
    assert notes[0].detail == "field contacts: missing; beside it: total, people"
    assert notes[1].problem == "list_type"


def test_hostile_names_are_not_repeated() -> None:
    notes: list[Drift] = []
    names = {f"field{number}": 1 for number in range(500)}
    names |= {"a@b.example": 1, "x" * 500: 1, "line\nbreak": 1, "with,comma": 1}
    with pytest.raises(VendorSchemaDrift):
        answer({}, notes).parsed_as(Person, names)
    assert len(notes[0].present) <= 12
    assert all(name.startswith("field") for name in notes[0].present)
