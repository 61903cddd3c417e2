"""Let many daemons and people loose on the same reports, and check what is in the stores.

    python tests/faults/many_daemons.py --daemons 4 --clients 40 --seconds 60

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
    from tests.faults.crowd_site import Crowd, let_loose
    from tests.rerund.stores_at import settings_of
    from tests.servers.servers import Servers

    options = _options()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    crowd = Crowd(options.daemons, options.clients, options.reports, options.seconds, seed)
    with tempfile.TemporaryDirectory(prefix="rerund-crowd-") as name, ExitStack() as stack:
        folder, servers = Path(name), Servers(stack)
        with settings_of(servers, folder, "mysql", "mongodb", "redis") as settings:
            outcome = asyncio.run(let_loose(folder, settings, crowd))
    print(outcome)
    for line in outcome.wrong:
        print(line)
    return 1 if outcome.wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Many daemons and people at the same reports.")
    parser.add_argument("--daemons", type=int, default=4)
    parser.add_argument("--clients", type=int, default=40, help="at the HTTP interfaces")
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="of what they do; printed when not given")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
