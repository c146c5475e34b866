"""Start the enricher on stdio: settings → adapters → run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from mcp.server.lowlevel import Server
from pydantic import SecretStr

from guardrails.config import Config
from guardrails.config.models import Vendor, VendorConfig
from guardrails.errors import ConfigError
from guardrails.store import Store
from servers.common.http import VendorClient, open_client
from servers.common.main import run
from servers.common.operations import Operation
from servers.common.safety import Safety, open_safety
from servers.enricher import vendor_clay, vendor_rb2b
from servers.enricher.cache import EnrichmentCache
from servers.enricher.facts import FactMaker
from servers.enricher.mail import MailLookup, SandboxMail
from servers.enricher.paid import PaidRuns
from servers.enricher.research import CompanyResearcher, NewsRules
from servers.enricher.service import EnricherService
from servers.enricher.settings import EnricherSettings
from servers.enricher.tools import build_server
from servers.enricher.vendor_clay import Clay
from servers.enricher.vendor_news import GDELT_SEARCH, GOOGLE_SEARCH, Gdelt, GoogleNews
from servers.enricher.vendor_rb2b import Rb2b
from servers.enricher.waterfall import Waterfall


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The server with its clients and store; closes them at the end."""
    settings = EnricherSettings()
    settings.clay_keys()  # a missing key is named before anything is opened
    config = settings.config()
    async with AsyncExitStack() as stack:
        safety = stack.enter_context(open_safety(settings, config.production, "enricher"))
        parts = _Parts(stack, settings, config, safety)
        rb2b, clay = await parts.rb2b(), await parts.clay(safety.store)
        waterfall = Waterfall(
            salt=safety.hive.salt(),
            facts=parts.facts,
            cache=EnrichmentCache(safety.store, settings.clock, parts.days),
            sources=(rb2b, clay),
            mail=_mail(settings),
        )
        keyed = (clay, rb2b)
        yield build_server(EnricherService(waterfall, await parts.researcher(), keyed))


def _mail(settings: EnricherSettings) -> MailLookup:
    if settings.sandbox:
        return SandboxMail()
    # Imported at first use: the sandbox starts a tenth of a second sooner without a DNS library.
    from servers.enricher.dns import DnsMail, system_resolver  # noqa: PLC0415

    return DnsMail(system_resolver())


class _Parts:
    """Builds the adapters; their clients close with the stack."""

    def __init__(
        self, stack: AsyncExitStack, settings: EnricherSettings, config: Config, safety: Safety
    ) -> None:
        self._stack = stack
        self._safety = safety
        self._settings = settings
        self._config = config
        self._production = config.production
        self.days = config.production.work.enrichment_cache_days
        self.facts = FactMaker(settings.clock, config.templates.fact_ttl_days, self.days)

    async def rb2b(self) -> Rb2b:
        """RB2B; without a key it is there and cannot be asked."""
        keys, vendor = self._settings.rb2b_keys(), self._production.vendors.rb2b
        client = None
        if keys is not None:
            url = self._settings.rb2b_url
            client = await self._client("rb2b", vendor, url, vendor_rb2b.OPERATIONS, keys)
        return Rb2b(client, self._price("rb2b", vendor_rb2b.PRICE), self.facts)

    async def clay(self, store: Store) -> Clay:
        """Clay, with its record of paid runs."""
        settings, vendor = self._settings, self._production.vendors.clay
        client = await self._client(
            "clay", vendor, settings.clay_url, vendor_clay.OPERATIONS, settings.clay_keys()
        )
        price = self._price("clay", vendor_clay.PRICE)
        runs = PaidRuns(
            store,
            self._settings.clock,
            vendor="clay",
            in_flight=timedelta(seconds=vendor.timeouts.total),
            keep=timedelta(days=max(1, self.days)),
        )
        routine = vendor_clay.routine_of(vendor, settings.clay_routine_id, price)
        return Clay(client, routine, runs, self.facts)

    async def researcher(self) -> CompanyResearcher:
        """Both news sources and the competitor list."""
        settings, vendors = self._settings, self._production.vendors
        gdelt = await self._client(
            "gdelt", vendors.gdelt, settings.gdelt_url, (GDELT_SEARCH,), None
        )
        google = await self._client(
            "google_news", vendors.google_news, settings.google_news_url, (GOOGLE_SEARCH,), None
        )
        work = self._production.work
        return CompanyResearcher(
            (Gdelt(gdelt, settings.clock), GoogleNews(google, settings.clock)),
            self._config.competitors,
            NewsRules(work.news_max_items, work.news_max_age_days),
            settings.clock,
        )

    async def _client(
        self,
        name: str,
        vendor: VendorConfig,
        given_url: str | None,
        operations: Sequence[Operation],
        keys: Mapping[str, SecretStr] | None,
    ) -> VendorClient:
        url = self._settings.base_url(given_url, vendor.base_url)
        mode = self._production.mode
        client = open_client(name, vendor, url, operations, mode, self._safety, keys=keys)
        return await self._stack.enter_async_context(client)

    def _price(self, vendor: Vendor, what: str) -> int:
        price = self._production.spend.prices_micros.get(vendor, {}).get(what)
        if price is None:
            raise ConfigError(f"spend.prices_micros.{vendor}.{what} is missing")
        return price


if __name__ == "__main__":
    run(open_server)
