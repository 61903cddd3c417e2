"""`rerund demo`: the story goes as it must, from the first question to a technician's rerun."""

import subprocess
import sys


def test_the_story_ends_with_the_rerun_that_the_instrument_hears_of():
    command = [sys.executable, "-m", "rerund", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if "asks what to run" in line]
    assert [line.partition("hears: ")[2] for line in told] == [
        "WBC, RBC, HGB, HCT, MCV, PLT",
        "HGB",
    ]
    flags = [line.split()[3] for line in done.stdout.splitlines() if " interpreted " in line]
    assert flags == ["false", "true", "false", "false"]
