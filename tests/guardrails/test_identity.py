"""One person has one identity, however the address is spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import BadInput
from guardrails.identity import (
    dedupe_key,
    domain_matches,
    lead_id,
    normalise_domain,
    normalise_email,
    registrable,
    subject_hash,
)

SALT = b"s" * 32


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Ana.Ruiz@Firm.EXAMPLE ", "ana.ruiz@firm.example"),
        ("ana@BÜCHER.example", "ana@xn--bcher-kva.example"),
        ("ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"),
        ("o'neil+news@sub.firm.example", "o'neil+news@sub.firm.example"),
        ("ana@firm.example.", "ana@firm.example"),
        ("ana@日本。example", "ana@xn--wgv71a.example"),
    ],
)
def test_an_address_has_one_form(text: str, normal: str) -> None:
    assert normalise_email(text) == normal
    assert normalise_email(normal) == normal


@pytest.mark.parametrize(
    "text",
    ["", "ana", "@firm.example", "ana@", "ana@firm", "ana@@firm.example", "a b@firm.example",
     "ana@firm..example", "ana@-firm.example", "ana@1.2.3.4", "ana@[1.2.3.4]", ".ana@firm.example",
     "ana.@firm.example", "äna@firm.example", "ana@firm.example\nBcc: x@y.example",
     "ana@fi rm.example", "Ana <ana@firm.example>", "a@b.example,c@d.example", "x" * 65 + "@a.test",
     "ana@" + "a" * 64 + ".example", "ana@" + "abc." * 70 + "example",
     "ana@xn--zz--\u0301.example"],
)  # fmt: skip
def test_nonsense_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        normalise_email(text)
    assert not text or text not in caught.value.message


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        normal = normalise_email(text)
    except BadInput:
        return
    assert normal.isascii()
    assert normalise_email(normal) == normal


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("ana+crm@firm.example", "Ana@firm.example"),
        ("ana.+crm@firm.example", "Ana@firm.example"),
        ("a.n.a@gmail.com", "ana+x@googlemail.com"),
    ],
)
def test_spellings_of_one_person_share_a_key(left: str, right: str) -> None:
    assert dedupe_key(left) == dedupe_key(right)


@given(st.text("ab.+-'A", min_size=1, max_size=8), st.sampled_from(["firm.example", "Gmail.com"]))
def test_a_key_is_an_address_and_its_own_key(local: str, domain: str) -> None:
    """Else nobody could suppress who is known by it."""
    try:
        normalise_email(f"{local}@{domain}")
    except BadInput:
        return
    key = dedupe_key(f"{local}@{domain}")
    assert normalise_email(key) == dedupe_key(key) == key


@pytest.mark.parametrize(
    ("left", "right"),
    [("a.na@firm.example", "ana@firm.example"), ("+tag@firm.example", "+other@firm.example")],
)
def test_different_people_do_not(left: str, right: str) -> None:
    assert dedupe_key(left) != dedupe_key(right)


def test_ids_depend_on_salt_and_key_and_nothing_else() -> None:
    name = lead_id(SALT, "ana@firm.example")
    assert name == lead_id(SALT, "ana@firm.example")
    assert name.startswith("L-")
    assert len(name) == 22
    assert name != lead_id(b"t" * 32, "ana@firm.example")
    assert "ana" not in name


def test_a_subject_hash_is_of_the_normal_form() -> None:
    assert subject_hash(SALT, "ANA@Firm.example") == subject_hash(SALT, "ana@firm.example")
    assert subject_hash(SALT, "FIRM.example.") == subject_hash(SALT, "firm.example")
    assert subject_hash(SALT, "bücher.example") == subject_hash(SALT, "xn--bcher-kva.example")
    assert len(subject_hash(SALT, "firm.example")) == 64
    with pytest.raises(BadInput):
        subject_hash(SALT, "no domain")


@pytest.mark.parametrize(
    ("domain", "listed", "matches"),
    [
        ("firm.example", "firm.example", True),
        ("MAIL.Firm.example", "firm.EXAMPLE", True),
        ("mail.bücher.example", "xn--bcher-kva.example", True),
        ("notfirm.example", "firm.example", False),
        ("firm.example.test", "firm.example", False),
        ("firm.example", "mail.firm.example", False),
    ],
)
def test_a_domain_matches_itself_and_what_is_above_it(
    domain: str, listed: str, matches: bool
) -> None:
    assert domain_matches(domain, listed) is matches


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        ("mail.firm.co.uk", "firm.co.uk"),
        ("firm.co.uk", "firm.co.uk"),
        ("a.b.firm.example", "firm.example"),
        ("shop.firm.test", "firm.test"),
        ("deep.dept.agency.gov.uk", "agency.gov.uk"),
        ("co.uk", "co.uk"),
        ("x.pages.github.io", "github.io"),
    ],
)
def test_the_registrable_part_needs_no_network(domain: str, registered: str) -> None:
    assert registrable(domain) == registered


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1", "a..b", "", "firm.example/path"])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        normalise_domain(text)
