"""Research: two news sources, what is thrown away, and the competitor check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape

import httpx
import pytest

from guardrails.config import load_config
from guardrails.errors import BadInput
from guardrails.model import Research
from servers.enricher.contract import CompanyResearch, ResearchCompany
from servers.enricher.research import CompanyResearcher, NewsRules
from servers.enricher.vendor_news import GDELT_SEARCH, GOOGLE_SEARCH, Gdelt, GoogleNews
from tests.conftest import SteppableClock
from tests.servers.wires import ScriptedWire, answer, client_over, sandbox, twin_client

pytestmark = pytest.mark.anyio
COMPETITORS = load_config().competitors
RULES = NewsRules(max_items=3, max_age_days=90)
NAME = "Cedarline Commerce"
NO_ARTICLES = answer(200, {})


def feed(*items: str) -> httpx.Response:
    text = f'<?xml version="1.0"?><rss version="2.0"><channel>{"".join(items)}</channel></rss>'
    return httpx.Response(200, content=text.encode(), headers={"content-type": "application/xml"})


def entry(title: str, when: datetime, source: str = "Daily Ledger") -> str:
    return (
        f"<item><title>{escape(f'{title} - {source}')}</title>"
        f"<link>https://news.example/{abs(hash(title))}</link>"
        f"<pubDate>{format_datetime(when, usegmt=True)}</pubDate>"
        f"<source>{escape(source)}</source></item>"
    )


def article(
    title: object, when: datetime, url: str = "https://press.example/a"
) -> dict[str, object]:
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    return {"title": title, "url": url, "seendate": stamp, "domain": "press.example"}


class Desk:
    """A researcher over two scripted wires."""

    def __init__(
        self, clock: SteppableClock, gdelt: Sequence[object], google: Sequence[object]
    ) -> None:
        self.clock = clock
        self.gdelt = ScriptedWire(*gdelt)  # type: ignore[arg-type]
        self.google = ScriptedWire(*google)  # type: ignore[arg-type]
        self.researcher = CompanyResearcher(
            (
                Gdelt(client_over(self.gdelt, (GDELT_SEARCH,), vendor="gdelt"), clock),
                GoogleNews(client_over(self.google, (GOOGLE_SEARCH,), vendor="google_news"), clock),
            ),
            COMPETITORS,
            RULES,
            clock,
        )

    async def ask(self, company: str | None = NAME, domain: str | None = None) -> Research:
        return (await self.whole(company, domain)).research

    async def whole(self, company: str | None = NAME, domain: str | None = None) -> CompanyResearch:
        args = ResearchCompany(company=company, domain=domain)
        return await self.researcher.research_company(args)


async def test_both_sources_are_merged_newest_first_without_doubles(clock: SteppableClock) -> None:
    day = clock.now - timedelta(days=1)
    desk = Desk(
        clock,
        [answer(200, {"articles": [article("Cedarline Commerce opens centre", day)]})],
        [feed(entry("Cedarline commerce opens centre!", day), entry(f"{NAME} hires", clock.now))],
    )
    found = await desk.ask()
    assert [(item.title, item.source) for item in found.news] == [
        ("Cedarline Commerce hires", "google_news"),
        ("Cedarline Commerce opens centre", "gdelt"),
    ]
    assert found.news[0].publisher == "Daily Ledger"
    assert found.sources == {"gdelt": "ok", "google_news": "ok"}
    assert desk.gdelt.seen[0].url.params["query"] == '"Cedarline Commerce"'
    assert desk.google.seen[0].url.params["q"] == '"Cedarline Commerce" when:90d'


async def test_old_undated_future_foreign_and_broken_items_are_thrown_away(
    clock: SteppableClock,
) -> None:
    good = clock.now - timedelta(days=2)
    articles = [
        article(f"{NAME} is old", clock.now - timedelta(days=91)),
        article(f"{NAME} is early", clock.now + timedelta(days=2)),
        article(f"{NAME} Group is another", good),
        article("Somebody else entirely", good),
        article(f"{NAME} by script", good, url="javascript:alert(1)"),
        article(f"{NAME} with space", good, url="https://press.example/a b"),
        article(None, good),
        article(7, good),
        "text",
        {"title": f"{NAME} undated", "url": "https://press.example/u"},
        article(f"{NAME} is good", good),
    ]
    found = await Desk(clock, [answer(200, {"articles": articles})], [feed()]).ask()
    assert [item.title for item in found.news] == [f"{NAME} is good"]
    assert found.sources == {"gdelt": "ok", "google_news": "empty"}


async def test_titles_are_one_visible_line_of_bounded_length(clock: SteppableClock) -> None:
    title = f"{NAME}\u202e hires\x07\n &amp; grows \u200b\U000e0041" + " on" * 200
    found = await Desk(
        clock, [answer(200, {"articles": [article(title, clock.now)]})], [feed()]
    ).ask()
    shown = found.news[0].title
    assert shown.startswith(f"{NAME} hires & grows on on")
    assert len(shown) <= 160
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (answer(503), "HTTP 503"),
        (httpx.ReadTimeout("slow"), "no answer"),
        (httpx.Response(200, text="Please limit requests to one every 5 seconds."), "busy"),
        (httpx.Response(200, text="The specified phrase is too short."), "refused the query"),
        (httpx.Response(200, text="<html>oops</html>"), "busy"),
        (httpx.Response(200, text='{"articles": [{"title": "cut'), "not JSON"),
        (answer(200, {"articles": "none"}), "not a list"),
    ],
)
async def test_a_failing_gdelt_is_named_and_leaves_google(
    clock: SteppableClock, bad: object, said: str
) -> None:
    found = await Desk(clock, [bad], [feed(entry(f"{NAME} hires", clock.now))]).ask()
    assert [item.source for item in found.news] == ["google_news"]
    assert found.sources["gdelt"].startswith("failed: ")
    assert said in found.sources["gdelt"]


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<rss><channel><item><title>&b;</title></item></channel></rss>"
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    "<rss><channel><item><title>&x;</title></item></channel></rss>"
)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (httpx.Response(200, text=BOMB), "refused"),
        (httpx.Response(200, text=EXTERNAL), "refused"),
        (httpx.Response(200, text="<html>Before you continue</html>"), "consent"),
        (httpx.Response(200, text='<rss version="2.0"><channel><item>'), "well-formed"),
        (answer(429), "HTTP 429"),
        (httpx.Response(302, headers={"location": "https://consent.example/"}), "redirect"),
    ],
)
async def test_a_failing_google_is_named_and_leaves_gdelt(
    clock: SteppableClock, bad: object, said: str
) -> None:
    good = answer(200, {"articles": [article(f"{NAME} hires", clock.now)]})
    found = await Desk(clock, [good], [bad]).ask()
    assert [item.source for item in found.news] == ["gdelt"]
    assert said in found.sources["google_news"]


async def test_no_news_is_empty_and_both_failing_is_said(clock: SteppableClock) -> None:
    quiet = await Desk(clock, [NO_ARTICLES], [feed()]).ask()
    assert (quiet.news, quiet.sources) == ((), {"gdelt": "empty", "google_news": "empty"})
    silent = await Desk(clock, [answer(500)], [answer(500)]).ask()
    assert all(state.startswith("failed") for state in silent.sources.values())


async def test_that_no_source_answered_is_a_problem_and_one_answer_is_enough(
    clock: SteppableClock,
) -> None:
    for gdelt, google in ((NO_ARTICLES, feed()), (answer(500), feed()), (NO_ARTICLES, answer(500))):
        heard = await Desk(clock, [gdelt], [google]).whole()
        assert heard.incomplete_because == ()
    silent = await Desk(clock, [answer(500)], [answer(500)]).whole()
    (reason,) = silent.incomplete_because
    assert reason.code == "research_incomplete"
    assert "gdelt failed" in reason.text
    assert "google_news failed" in reason.text
    assert silent.research.competitor.is_competitor is False


async def test_colleagues_cost_one_look_up_and_a_failure_is_not_remembered(
    clock: SteppableClock,
) -> None:
    desk = Desk(clock, [NO_ARTICLES], [answer(400), feed()])
    await desk.ask()
    await desk.ask("CEDARLINE COMMERCE")
    await desk.ask()
    assert len(desk.gdelt.seen) == 2
    clock.step(601)
    await desk.ask()
    assert len(desk.gdelt.seen) == 3


@pytest.mark.parametrize("company", ["Zed", "  ", "!!!", None])
async def test_a_company_without_a_telling_name_is_not_searched(
    clock: SteppableClock, company: str | None
) -> None:
    desk = Desk(clock, [NO_ARTICLES], [feed()])
    found = await desk.ask(company)
    assert desk.gdelt.seen == desk.google.seen == []
    assert all(state.startswith("skipped") for state in found.sources.values())


async def test_a_quote_in_a_name_does_not_change_the_query(clock: SteppableClock) -> None:
    desk = Desk(clock, [NO_ARTICLES], [feed()])
    await desk.ask('Cedarline" OR theme:TERROR "Commerce')
    assert desk.gdelt.seen[0].url.params["query"].count('"') == 2


@pytest.mark.parametrize(
    ("args", "matched"),
    [
        ({"domain": "jasper.ai"}, "jasper.ai"),
        ({"domain": "Labs.JASPER.ai"}, "jasper.ai"),
        ({"domain": "notjasper.ai"}, None),
        ({"domain": "jasper.ai.evil.example"}, None),
        ({"domain": "firm.example", "parent_domain": "copy.ai"}, "copy.ai"),
        ({"domain": "firm.example", "company": "JASPER AI, Inc."}, "Jasper AI"),
        ({"domain": "firm.example", "company": "Jasper Airlines"}, None),
        ({"domain": "firm.example"}, None),
    ],
)
async def test_the_competitor_check(
    clock: SteppableClock, args: dict[str, str], matched: str | None
) -> None:
    desk = Desk(clock, [NO_ARTICLES], [feed()])
    asked = ResearchCompany.model_validate({"domain": None, "company": None, **args})
    finding = (await desk.researcher.research_company(asked)).research.competitor
    assert (finding.is_competitor, finding.matched) == (matched is not None, matched)


async def test_a_domain_that_is_none_is_refused_and_not_waved_through(
    clock: SteppableClock,
) -> None:
    with pytest.raises(BadInput):
        await Desk(clock, [NO_ARTICLES], [feed()]).ask(NAME, domain="jasper .ai")


async def test_over_the_twins_fresh_news_is_found(clock: SteppableClock) -> None:
    app = sandbox()
    clock.now = datetime.now(UTC)
    researcher = CompanyResearcher(
        (
            Gdelt(twin_client(app, "gdelt", (GDELT_SEARCH,)), clock),
            GoogleNews(twin_client(app, "google_news", (GOOGLE_SEARCH,)), clock),
        ),
        COMPETITORS,
        RULES,
        clock,
    )
    args = ResearchCompany(domain="cedarlinecommerce.example", company=NAME)
    found = (await researcher.research_company(args)).research
    assert [item.title for item in found.news] == [
        "Cedarline Commerce opens automated fulfilment centre in Columbus",
        "Cedarline Commerce to double same-day deliveries by spring",
    ]
    assert app.site.counters.report()["by_kind"] == {"read": 2, "paid_read": 0, "write": 0}
