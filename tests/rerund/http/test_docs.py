"""docs/http.md: its examples are run as they stand, its table has every code that is answered.

The lab is that of the lab file which is shipped as an example.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rerund.demo import messages
from tests.rerund.http.http_site import HttpSite
from tests.rerund.http.office import REQUEST, error
from tests.rerund.http.test_errors import CASES
from tests.rerund.http.test_process import EARLIER

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "http.md"
LAB_FILE = ROOT / "config" / "lab.example.toml"
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
ERROR = re.compile(r"```json\n(.*?)```", re.DOTALL)
EXPECTED = [
    ("GET", {"lab_report_id": 1001, "sampleRedrawFlag": 0}),
    ("request", {"rerun_number": 1, "sampleRedrawFlag": 3}),
    ("new", {"accepted": [1, 8], "fulfilled": [1, 8], "sampleRedrawFlag": 4}),
    ("confirm", {"sampleRedrawFlag": 0, "kept": [8]}),
    ("auto-check", {"created": False}),
    ("request", {"rerun_number": 2}),
    ("cancel", {"cancelled": [2], "sampleRedrawFlag": 0}),
]


def documents(text: str) -> Iterator[Any]:
    """Read JSON documents that stand one behind the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        yield document


async def test_the_examples_do_what_the_page_says(tmp_path):
    async with HttpSite(tmp_path) as site:
        site.load(LAB_FILE.read_text())
        await site.listening()
        await site.sends(messages.original("S001", EARLIER))
        await site.settled()
        secrets = site.holders.secrets
        names = {"TECHNICIAN": secrets["technician"], "DEVICE": secrets["device"]}
        answers = []
        for block in SHELL.findall(DOCS.read_text()):
            if "curl" not in block:
                continue
            local = block.replace("127.0.0.1:8080", f"127.0.0.1:{site.port}")
            done = subprocess.run(
                ["sh", "-ec", local.replace("curl", "curl -s")],
                env=names | {"PATH": "/usr/bin:/bin"},
                capture_output=True,
                check=True,
                text=True,
            )
            answers += documents(done.stdout)
    assert len(answers) == len(EXPECTED)
    for answer, (name, expected) in zip(answers, EXPECTED, strict=True):
        assert {key: answer.get(key) for key in expected} == expected, name


async def test_an_error_is_answered_as_the_page_shows_it(office):
    office.site.request(1)
    office.site.cancel(version=2)
    response = await office.post("/1/request", {**REQUEST, "rerun_number": 1})
    [shown] = ERROR.findall(DOCS.read_text())
    assert list(error(response).items()) == list(json.loads(shown)["error"].items())


def test_the_table_has_every_code_that_the_tests_get():
    page = DOCS.read_text()
    codes = {case.code for case in CASES.values() if case.status != 422}
    assert not {code for code in codes if f"`{code}`" not in page}
