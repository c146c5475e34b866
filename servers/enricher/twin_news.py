"""Keyless news as it answers over HTTP: GDELT DOC 2.0 and Google News RSS. Owns: both twins.

True to the sources: GDELT says `{}` when it finds nothing and reports errors as plain text with
status 200, `seendate` is when it crawled; Google's titles end with " - Publisher" and its links
are redirects. GDELT's limit of one request in five seconds is off unless `rate_limits` names
`gdelt`, so that a demo is not slowed. Dates are relative to the clock, titles never change.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

from servers.sandbox.asgi import Reply, reply
from servers.sandbox.behaviour import Window
from servers.sandbox.dice import Dice, fingerprint
from servers.sandbox.nouns import Headline
from servers.sandbox.wire import Call, Endpoint, Site, Twin

_TEXT = b"text/html; charset=utf-8"
_XML = b"application/xml; charset=utf-8"
_SPAN = re.compile(r"(\d+)\s*(min|h|hours?|d|days?|w|weeks?|m|months?)?\Z")
_SPAN_DAYS = {"min": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "m": 30}
_OPERATOR = re.compile(r"\b[a-z0-9]+:\S+", re.IGNORECASE)
_PHRASE = re.compile(r'"([^"]+)"')
_WHEN = re.compile(r"\bwhen:(\d+)([hdmy])\b")
_SLOW = "Please limit requests to one every 5 seconds."


def _matching(news: Iterable[Headline], query: str) -> list[Headline]:
    """Articles that hold every phrase and word of the query (any one, when joined by OR)."""
    bare = _PHRASE.sub(" ", _OPERATOR.sub(" ", query))
    words = re.findall(r"\w+", bare.lower())
    wanted = [phrase.lower() for phrase in _PHRASE.findall(query)]
    wanted += [word for word in words if word not in ("or", "and")]
    if not wanted:
        return []
    enough = any if " OR " in query else all
    found = [
        item
        for item in news
        if enough(part in f"{item.title} {item.company}".lower() for part in wanted)
    ]
    return sorted(found, key=lambda item: (item.days_ago, item.title))


def _published(item: Headline, now: datetime) -> datetime:
    """Between 06:00 and 20:45 UTC of its day; the same minute every day."""
    minutes = 15 * Dice("hour", item.title).between(24, 83)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=item.days_ago) + timedelta(minutes=minutes)


def _address(item: Headline) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", item.title.lower()).strip("-")[:60]
    return f"https://www.{item.host}/{fingerprint(item.title)[:8]}/{slug}"


class GdeltTwin(Twin):
    """GDELT DOC 2.0, article lists only."""

    vendor = "gdelt"

    def __init__(self, site: Site) -> None:
        self.window = Window(1, 5)
        super().__init__(site)

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("GET", "/api/v2/doc/doc", "read", self.articles),)

    def failure(self, call: Call, status: int, message: str) -> Reply:
        return Reply(status, message.encode(), _TEXT)

    def articles(self, call: Call) -> Reply:
        if self.site.behaviour.limits(self.vendor) and self.window.left("all", self.now()) < 0:
            return self.failure(call, 429, _SLOW)
        query = call.query  # errors come as plain text with status 200
        text = query.get("query", "")
        if not text.strip():
            return self.failure(call, 200, "Your query was empty.")
        if any(len(phrase.strip()) < 3 for phrase in _PHRASE.findall(text)):
            return self.failure(call, 200, "The specified phrase is too short.")
        if query.get("mode", "").lower() != "artlist" or query.get("format", "").lower() != "json":
            return self.failure(call, 200, "Invalid mode or format.")
        limit = query.get("maxrecords", "75")
        if not limit.isdigit() or not 1 <= int(limit) <= 250:
            return self.failure(call, 200, "Invalid maxrecords.")
        days = _span(query.get("timespan", "3months"))
        if days is None:
            return self.failure(call, 200, "Invalid timespan.")
        now = self.site.clock()
        found = [
            item
            for item in _matching(self.site.world.news, text)
            if (now - _published(item, now)).total_seconds() <= days * 86_400
        ]
        shown = [_article(item, now) for item in found[: int(limit)]]
        return reply(200, {"articles": shown} if shown else {})


def _span(text: str) -> float | None:
    """Days in a timespan such as 15min, 24h, 7d, 2weeks or 3months; None when unreadable."""
    match = _SPAN.match(text.strip().lower())
    if match is None:
        return None
    unit = match[2] or "d"
    return int(match[1]) * _SPAN_DAYS["min" if unit == "min" else unit[0]]


def _article(item: Headline, now: datetime) -> dict[str, str]:
    crawled = _published(item, now) + timedelta(minutes=15)
    return {
        "url": _address(item),
        "url_mobile": "",
        "title": item.title,
        "seendate": crawled.strftime("%Y%m%dT%H%M%SZ"),
        "socialimage": "",
        "domain": item.host,
        "language": "English",
        "sourcecountry": "United States",
    }


class GoogleNewsTwin(Twin):
    """Google News search as RSS 2.0."""

    vendor = "google_news"

    def __init__(self, site: Site) -> None:
        self.window = Window(100, 60)
        super().__init__(site)

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("GET", "/rss/search", "read", self.feed),)

    def failure(self, call: Call, status: int, message: str) -> Reply:
        page = f"<html><head><title>{escape(message)}</title></head><body></body></html>"
        return Reply(status, page.encode(), _TEXT)

    def feed(self, call: Call) -> Reply:
        if self.site.behaviour.limits(self.vendor) and self.window.left("all", self.now()) < 0:
            return self.failure(call, 503, "Sorry...")
        text, now = call.query.get("q", ""), self.site.clock()
        found = _matching(self.site.world.news, text)
        if match := _WHEN.search(text):
            days = int(match[1]) * {"h": 1 / 24, "d": 1, "m": 30, "y": 365}[match[2]]
            oldest = now - timedelta(days=days)
            found = [item for item in found if _published(item, now) >= oldest]
        items = "".join(_item(item, now) for item in found[:100])
        channel = (
            f"<title>{escape(text)} - Google News</title>"
            "<link>https://news.google.com/search?hl=en-US&amp;gl=US&amp;ceid=US:en</link>"
            "<language>en-US</language>"
            f"<lastBuildDate>{_rfc822(now)}</lastBuildDate><description>Google News</description>"
        )
        feed = (
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
            '<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel>'
            f"<generator>NFE/5.0</generator>{channel}{items}</channel></rss>"
        )
        return Reply(200, feed.encode(), _XML)


def _item(item: Headline, now: datetime) -> str:
    article = base64.urlsafe_b64encode(bytes.fromhex(fingerprint(item.title)[:60])).decode()
    link = f"https://news.google.com/rss/articles/CBMi{article}?oc=5"
    title = escape(f"{item.title} - {item.publisher}")
    html = (
        f'<a href="{link}" target="_blank">{escape(item.title)}</a>&nbsp;&nbsp;'
        f'<font color="#6f6f6f">{escape(item.publisher)}</font>'
    )
    source = (
        f"<source url={quoteattr('https://www.' + item.host)}>{escape(item.publisher)}</source>"
    )
    return (
        f"<item><title>{title}</title><link>{link}</link>"
        f'<guid isPermaLink="false">CBMi{article}</guid>'
        f"<pubDate>{_rfc822(_published(item, now))}</pubDate>"
        f"<description>{escape(html)}</description>{source}</item>"
    )


def _rfc822(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)
