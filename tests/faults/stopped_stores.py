"""Stop each store in each way while results come in, and check that nothing is lost or twice.

    python tests/faults/stopped_stores.py --links 10 --seconds 20

Starts private servers (MariaDB, Redis, a MongoDB-wire server). Prints a line of what was done,
then what is wrong; exits 1 when anything is.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path


def main() -> int:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.faults.outages import Campaign, outages_of
    from tests.rerund.stores_at import settings_of
    from tests.servers.servers import Servers

    options = _options()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="rerund-outages-") as name, ExitStack() as stack:
        folder, servers = Path(name), Servers(stack)
        with settings_of(servers, folder, "mysql", "mongodb", "redis") as settings:
            outages = outages_of(servers) * options.rounds
            rng = random.Random(seed)
            rng.shuffle(outages)
            campaign = Campaign(folder, settings, options.links)
            outcome = asyncio.run(campaign.run(outages, rng, options.seconds))
    print(outcome)
    for line in outcome.wrong:
        print(line)
    return 1 if outcome.wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Stop stores under load, and check what is left.")
    parser.add_argument("--links", type=int, default=6, help="instruments (default: 6)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each outage (default: 1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="each at most (default: 10)")
    parser.add_argument("--seed", type=int, help="of order and moments; printed when not given")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
