"""Keyless news over HTTP: GDELT DOC 2.0 and Google News RSS. Owns: their queries and shapes.

Titles are outside text: cleaned to one visible line and never interpreted. XML is parsed without
entities, DTDs and external references. GDELT reports errors as plain text with status 200. Its
`seendate` is when it first saw the article, minutes after it appeared; it stands as the date.
Refuses items without a web address, title or date.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from guardrails.clock import Clock
from guardrails.errors import VendorRejected, VendorUnavailable
from guardrails.model import NewsItem
from servers.common.http import Answer, VendorClient
from servers.common.operations import Effect, Operation
from servers.enricher.values import clean_text

GDELT_SEARCH = Operation("search_articles", "GET", "/api/v2/doc/doc", Effect.READ)
GOOGLE_SEARCH = Operation("search_news", "GET", "/rss/search", Effect.READ)
MAX_TITLE = 160
_MAX_URL = 2000
_ASKED = 50
_MAX_ITEMS = 200


class Gdelt:
    """GDELT DOC 2.0, article lists."""

    name = "gdelt"

    def __init__(self, client: VendorClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def search(self, phrase: str, days: int) -> list[NewsItem]:
        """See `sources.NewsSource`."""
        answer = await self._client.request(
            GDELT_SEARCH,
            params={
                "query": f'"{phrase}"',
                "mode": "artlist",
                "format": "json",
                "maxrecords": _ASKED,
                "timespan": f"{days}d",
                "sort": "datedesc",
            },
        )
        if not answer.body.lstrip().startswith(b"{"):
            raise _said(answer)
        articles = answer.document().get("articles", [])
        if not isinstance(articles, list):
            raise answer.drift("articles is not a list")
        return [item for article in articles[:_MAX_ITEMS] if (item := self._item(article))]

    def _item(self, article: Any) -> NewsItem | None:
        if not isinstance(article, dict):
            return None
        return _news_item(
            title=article.get("title"),
            url=article.get("url"),
            publisher=article.get("domain"),
            published_at=_seen(article.get("seendate")),
            fetched_at=self._clock(),
            source="gdelt",
        )


class GoogleNews:
    """Google News search as RSS."""

    name = "google_news"

    def __init__(self, client: VendorClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def search(self, phrase: str, days: int) -> list[NewsItem]:
        """See `sources.NewsSource`."""
        answer = await self._client.request(
            GOOGLE_SEARCH,
            params={
                "q": f'"{phrase}" when:{days}d',
                "hl": "en-US",
                "gl": "US",
                "ceid": "US:en",
            },
        )
        items = list(_feed(answer))[:_MAX_ITEMS]
        return [item for element in items if (item := self._item(element))]

    def _item(self, element: Element) -> NewsItem | None:
        publisher = clean_text(element.findtext("source"), 80)
        title, named = _split_publisher(element.findtext("title") or "", publisher)
        return _news_item(
            title=title,
            url=(element.findtext("link") or "").strip(),
            publisher=publisher or named,
            published_at=_rfc822(element.findtext("pubDate")),
            fetched_at=self._clock(),
            source="google_news",
        )


def _feed(answer: Answer) -> Iterator[Element]:
    if b"<rss" not in answer.body[:1000]:
        raise VendorUnavailable(
            f"{answer.vendor} {answer.operation}: not a feed (perhaps a consent page)",
            vendor=answer.vendor,
            operation=answer.operation,
            status=answer.status,
        )
    try:
        root = ElementTree.fromstring(
            answer.body, forbid_dtd=True, forbid_entities=True, forbid_external=True
        )
    except DefusedXmlException as error:
        raise answer.drift("the feed declares a DTD or entities, which are refused") from error
    except ParseError as error:
        raise answer.drift("the feed is not well-formed XML") from error
    found: Iterator[Element] = root.iter("item")
    return found


def _said(answer: Answer) -> VendorUnavailable | VendorRejected:
    """The error that a plain-text answer means."""
    text = clean_text(answer.body[:300].decode("utf-8", "replace"), 120) or "no text"
    busy = "limit requests" in text.casefold() or text.startswith("<")
    kind = VendorUnavailable if busy else VendorRejected
    return kind(
        f"{answer.vendor} {answer.operation}: "
        + ("busy" if busy else f"refused the query ({text})"),
        vendor=answer.vendor,
        operation=answer.operation,
        status=answer.status,
    )


def _news_item(
    *,
    title: Any,
    url: Any,
    publisher: Any,
    published_at: datetime | None,
    fetched_at: datetime,
    source: Any,
) -> NewsItem | None:
    shown = clean_text(html.unescape(title), MAX_TITLE) if isinstance(title, str) else None
    if shown is None or not _is_web_address(url) or published_at is None:
        return None
    return NewsItem(
        title=shown,
        url=url,
        publisher=clean_text(publisher, 80),
        published_at=published_at,
        fetched_at=fetched_at,
        source=source,
    )


def _is_web_address(url: Any) -> bool:
    if (
        not isinstance(url, str)
        or len(url) > _MAX_URL
        or not url.isascii()
        or not url.isprintable()
    ):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in url


def _split_publisher(title: str, publisher: str | None) -> tuple[str, str | None]:
    """`Title - Publisher` in two; what follows the last " - " when no publisher is given."""
    if publisher and title.rstrip().endswith(f" - {publisher}"):
        return title.rstrip()[: -len(publisher) - 3], publisher
    if publisher:
        return title, publisher
    head, dash, tail = title.rpartition(" - ")
    return (head, tail) if dash else (title, None)


def _seen(text: Any) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def _rfc822(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
