"""SPF, DKIM and DMARC as DNS has them; silence is never a yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from orchestrator.preflight.dns import check_domain

DOMAIN = "mail.agency.co"
GOOD: dict[str, tuple[str, ...]] = {
    DOMAIN: ("google-site-verification=x", "v=spf1 include:_spf.google.com ~all"),
    f"google._domainkey.{DOMAIN}": ("v=DKIM1; k=rsa; p=MIGfMA0",),
    f"_dmarc.{DOMAIN}": ("v=DMARC1; p=quarantine; rua=mailto:a@agency.co",),
}


class Zone:
    """DNS as a table; names that are not in it do not exist."""

    def __init__(self, records: Mapping[str, Sequence[str]], *, dead: bool = False) -> None:
        self.records = records
        self.dead = dead

    def texts(self, name: str) -> Sequence[str]:
        if self.dead:
            raise OSError("DNS gave no answer (Timeout)")
        return self.records.get(name, ())


def asked(changes: Mapping[str, Sequence[str]] | None = None, **about: bool) -> dict[str, str]:
    zone = Zone(GOOD | dict(changes or {}), **about)
    found = check_domain(DOMAIN, ("google", "selector1"), zone, sandbox=False)
    return {check.name: check.result for check in found}


def test_a_domain_that_has_all_three() -> None:
    assert asked() == {"spf": "ok", "dkim": "ok", "dmarc": "ok"}


def test_dns_that_cannot_be_asked_is_unknown() -> None:
    assert set(asked(dead=True).values()) == {"unknown"}


@pytest.mark.parametrize(
    ("domain", "sandbox", "result"),
    [(DOMAIN, True, "warn"), ("firm.example", False, "fail"), ("", False, "fail")],
)
def test_the_sandbox_asks_nobody_and_a_reserved_name_is_no_domain(
    domain: str, sandbox: bool, result: str
) -> None:
    found = check_domain(domain, ("google",), Zone({}, dead=True), sandbox=sandbox)
    assert {check.result for check in found} == {result}


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        ((), "fail"),
        (("v=spf1 -all", "v=spf1 ~all"), "fail"),
        (("v=spf1 include:x.co +all",), "fail"),
        (("v=spf1 include:x.co ?all",), "fail"),
        (("v=spf1 all",), "fail"),
        (("v=spf1 include:x.co",), "warn"),
        (("v=spf1 redirect=_spf.x.co",), "ok"),
        (("v=spf1 include:x.co -all",), "ok"),
    ],
)
def test_spf(texts: tuple[str, ...], result: str) -> None:
    assert asked({DOMAIN: texts})["spf"] == result


@pytest.mark.parametrize(
    ("texts", "result"), [((), "fail"), (("v=DKIM1; p=",), "fail"), (("k=rsa; p=MIG",), "ok")]
)
def test_dkim(texts: tuple[str, ...], result: str) -> None:
    assert asked({f"google._domainkey.{DOMAIN}": texts})["dkim"] == result


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        ((), "fail"),
        (("v=DMARC1; p=none",), "warn"),
        (("v=DMARC1; p=reject",), "ok"),
        (("v=DMARC1; rua=mailto:a@agency.co",), "fail"),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), "fail"),
    ],
)
def test_dmarc(texts: tuple[str, ...], result: str) -> None:
    assert asked({f"_dmarc.{DOMAIN}": texts})["dmarc"] == result


def test_a_subdomain_inherits_the_policy_above_it() -> None:
    moved = {f"_dmarc.{DOMAIN}": (), "_dmarc.agency.co": ("v=DMARC1; p=reject",)}
    assert asked(moved)["dmarc"] == "ok"
