"""Kill a daemon under load, many times, and check that nothing is lost and nothing is twice.

    python tests/faults/kill_under_load.py --kills 50 --links 20

Prints a line of what was done, then what is wrong; exits 1 when anything is.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path


def main() -> int:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.faults.campaign import Campaign
    from tests.faults.hl7_instruments import Hl7Instrument

    options = _options()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="rerund-kills-"))
    speaks = {"driver": "mindray-cl", "instrument": Hl7Instrument} if options.hl7 else {}
    campaign = Campaign(folder, options.links, random.Random(seed), **speaks)
    outcome = asyncio.run(campaign.run(options.kills))
    print(outcome)
    for line in outcome.wrong:
        print(line)
    if outcome.wrong:
        print(f"the daemon's files are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill a daemon under load, and check its files.")
    parser.add_argument("--kills", type=int, default=50, help="how often (default: 50)")
    parser.add_argument("--links", type=int, default=20, help="instruments (default: 20)")
    parser.add_argument("--hl7", action="store_true", help="instruments that speak HL7")
    parser.add_argument("--seed", type=int, help="of the moments; printed when not given")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
