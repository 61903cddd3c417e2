"""Instruments ask while each store is away: what is known is told, and nobody hears "no order"."""

import msgspec
import pytest

from tests.faults.outages import TIMEOUTS, Outage, outages_of
from tests.rerund.analyzer import AstmAnalyzer
from tests.rerund.site import Site, until
from tests.rerund.stores_at import settings_of
from tests.rerund.test_daemon_orders import LAB, ask, copied, register
from tests.servers.databases import config_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


async def ask_while(outage: Outage, site: Site, one: AstmAnalyzer) -> None:
    """Ask for a sample that is known, and for one that nobody can look up without reports."""
    outage.begin()
    try:
        await ask(one, "S001")
        assert await one.takes_orders() == [("S001", ["GLU", "ISE"])]
        if outage.name.startswith("MariaDB"):
            site.daemon.log.clear()
            await ask(one, "S002")
            assert (await site.daemon.logs("query_not_answerable"))["alert"]
    finally:
        outage.end()


async def test_what_is_known_is_told_and_what_is_not_is_never_called_no_order(tmp_path, servers):
    with settings_of(servers, tmp_path, "mysql", "mongodb", "redis") as settings:
        patient = msgspec.structs.replace(
            settings,
            mysql=msgspec.structs.replace(settings.mysql, **TIMEOUTS),
            mongodb=msgspec.structs.replace(settings.mongodb, **TIMEOUTS),
        )
        site = Site(tmp_path, driver="generic-astm", look_up_timeout=1.0)
        with site.config.open("a") as file:
            file.write(f"\n{config_of(patient)}\n")
        (tmp_path / "lab.toml").write_text(LAB)
        site.ok("lab", "load", tmp_path / "lab.toml")
        register(site)
        async with site:
            await until(lambda: copied(site) == {(1001, 0)})
            async with await AstmAnalyzer().connect(site.daemon.ports["42"]) as one:
                for outage in outages_of(servers):
                    await ask_while(outage, site, one)
                register(site, 1002, "S002")
                await until(lambda: (1002, 0) in copied(site))
                await ask(one, "S002")
                assert await one.takes_orders() == [("S002", ["GLU", "ISE"])]
            assert one.messages.empty()
