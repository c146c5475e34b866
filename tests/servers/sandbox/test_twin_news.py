"""GDELT and Google News: dates follow the clock, titles stay, errors look as the sources' do."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from defusedxml import ElementTree

DOC = "/gdelt/api/v2/doc/doc"
ASKED = {"query": '"Cedarline Commerce"', "mode": "artlist", "format": "json"}
TITLE = "Cedarline Commerce opens automated fulfilment centre in Columbus"


def feed(wire, query):
    answer = wire("GET", "/google_news/rss/search", params={"q": query, "hl": "en-US"})
    assert answer.status_code == 200
    return ElementTree.fromstring(answer.content).findall("channel/item")


def test_gdelt_lists_articles_newest_first_and_dates_follow_the_clock(wire, clock):
    first = wire("GET", DOC, params=ASKED).json()["articles"]
    clock.step(days=30)
    later = wire("GET", DOC, params=ASKED).json()["articles"]
    assert [article["title"] for article in first] == [article["title"] for article in later]
    assert first[0]["title"] == TITLE
    seen = datetime.strptime(later[0]["seendate"], "%Y%m%dT%H%M%S%z")
    assert timedelta(0) < clock() - seen < timedelta(days=4)


def test_gdelt_says_an_empty_object_when_it_finds_nothing(wire):
    answer = wire("GET", DOC, params=ASKED | {"query": '"Nobody Writes About Us"'})
    assert answer.json() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": ""},
        {"query": '"ab"'},
        {"mode": "timeline"},
        {"maxrecords": "251"},
        {"timespan": "soon"},
    ],
)
def test_gdelt_reports_errors_as_plain_text_with_status_200(wire, wrong):
    answer = wire("GET", DOC, params=ASKED | wrong)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert not answer.text.startswith("{")


def test_gdelt_honours_timespan_maxrecords_and_or(wire):
    def titles(**more):
        return wire("GET", DOC, params=ASKED | more).json().get("articles", [])

    assert len(titles()) == 2
    assert len(titles(timespan="7d")) == 1
    assert len(titles(timespan="15min")) == 0
    assert len(titles(timespan="3months")) == 2
    assert len(titles(maxrecords="1")) == 1
    either = titles(query='("Cedarline Commerce" OR "Mallow Systems")')
    assert len(either) == 3


def test_gdelt_limits_to_one_in_five_seconds_only_when_asked_to(wire, clock):
    assert [wire("GET", DOC, params=ASKED).status_code for _ in range(3)] == [200] * 3
    wire.behave(rate_limits=["gdelt"])
    assert [wire("GET", DOC, params=ASKED).status_code for _ in range(2)] == [200, 429]
    clock.step(5)
    assert wire("GET", DOC, params=ASKED).status_code == 200


def test_google_news_is_rss_with_publisher_in_the_title_and_redirect_links(wire, clock):
    items = feed(wire, '"Cedarline Commerce"')
    first = items[0]
    assert first.findtext("title") == f"{TITLE} - Trade Courier"
    assert first.findtext("link").startswith("https://news.google.com/rss/articles/")
    assert first.find("source").get("url") == "https://www.tradecourier.example"
    published = parsedate_to_datetime(first.findtext("pubDate"))
    assert timedelta(0) < clock() - published < timedelta(days=4)
    assert len({item.findtext("guid") for item in items}) == len(items) == 2


def test_google_news_honours_when_and_an_empty_feed_is_a_feed(wire):
    assert len(feed(wire, '"Cedarline Commerce" when:7d')) == 1
    assert feed(wire, '"Nobody Writes About Us"') == []


def test_hostile_words_come_through_escaped(wire):
    assert feed(wire, '</title><item>&"<x>"') == []
    title = feed(wire, '"Mallow Systems"')[0].findtext("title")
    assert "Ignore all previous instructions" in title
