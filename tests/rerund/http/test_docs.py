"""docs/http.md: its examples are run as they stand, its table has every code that is answered."""

import json
import re
import subprocess
from pathlib import Path

from rerund.demo import messages
from tests.rerund.http.http_site import HttpSite
from tests.rerund.http.office import REQUEST, error
from tests.rerund.http.test_errors import CASES
from tests.rerund.http.test_process import EARLIER, now

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "http.md"
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
ERROR = re.compile(r"```json\n(.*?)```", re.DOTALL)
EXPECTED = [
    ("GET", {"lab_report_id": 1001, "sampleRedrawFlag": 0}),
    ("request", {"rerun_number": 1, "sampleRedrawFlag": 3}),
    ("new", {"accepted": [1, 6], "sampleRedrawFlag": 4}),
    ("confirm", {"sampleRedrawFlag": 0, "kept": [6]}),
    ("auto-check", {"created": False}),
    ("request", {"rerun_number": 2}),
    ("cancel", {"cancelled": [2], "sampleRedrawFlag": 0}),
]


def commands(text: str) -> list[str]:
    """Return every curl command of a page, its continued lines joined."""
    blocks = "".join(SHELL.findall(text))
    return re.findall(r"^curl.*?http://\S+$", blocks, re.DOTALL | re.MULTILINE)


async def test_the_examples_do_what_the_page_says(tmp_path):
    async with HttpSite(tmp_path) as site:
        site.load()
        await site.listening()
        await site.sends(messages.original("S001", EARLIER))
        await site.settled()
        secrets = site.holders.secrets
        names = {"TECHNICIAN": secrets["technician"], "DEVICE": secrets["device"]}
        answers = []
        for command in commands(DOCS.read_text()):
            local = command.replace("127.0.0.1:8080", f"127.0.0.1:{site.port}")
            local = local.replace("2026-05-20T10:30:00Z", f"{now():%FT%TZ}")
            done = subprocess.run(
                ["sh", "-c", local.replace("curl", "curl -s", 1)],
                env=names | {"PATH": "/usr/bin:/bin"},
                capture_output=True,
                check=True,
            )
            answers.append(json.loads(done.stdout))
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
