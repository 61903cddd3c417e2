"""The documentation: complete, true to the stores' documents, and readable without a network."""

import re
from html.parser import HTMLParser

import httpx
import msgspec
import pytest

from rerund.http import answers
from rerund.http.access import ROLES
from rerund.http.routes import router
from rerund.rerun import auto_check, documents
from tests.rerund.http.office import Office

ERRORS = {"401", "403", "404", "500", "503"}
POST_ERRORS = ERRORS | {"400", "408", "409", "413", "415", "422"}


@pytest.fixture
def document(office):
    return office.app.openapi()


def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_six_endpoints_are_there_and_guarded(document):
    one = "/sample-rerun/{lab_report_id}"
    posts = ("new", "request", "confirm", "cancel", "auto-check")
    assert set(operations(document)) == {f"GET {one}", *(f"POST {one}/{name}" for name in posts)}
    assert {route.name for route in router.routes} == set(ROLES)
    assert all(
        operation["security"] == [{"token": []}] for operation in operations(document).values()
    )
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_every_answer_is_named_with_its_schema(document):
    for name, operation in operations(document).items():
        told = operation["responses"]
        good = "201" if name.endswith("/request") else "200"
        wanted = POST_ERRORS if name.startswith("POST") else ERRORS | {"400"}
        assert set(told) == wanted | {good}
        for status, answer in told.items():
            schema = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert (schema == "Error") == (status != good)
        assert "Retry-After" in told["503"]["headers"]
        assert "WWW-Authenticate" in told["401"]["headers"]


def test_every_post_has_a_key_an_example_and_a_summary(document):
    for name, operation in operations(document).items():
        assert operation["summary"]
        assert operation["description"]
        headers = [p["name"] for p in operation["parameters"] if p["in"] == "header"]
        assert headers == (["Idempotency-Key"] if name.startswith("POST") else [])
        if name.startswith("POST"):
            body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            assert document["components"]["schemas"][body.rpartition("/")[2]]["example"]


@pytest.mark.parametrize(
    ("answer", "struct"),
    [
        (answers.SampleRerun, documents.SampleRerun),
        (answers.SampleRerunValues, documents.SampleRerunValues),
        (answers.QualifiedValue, auto_check.Qualified),
    ],
)
def test_an_answer_has_the_members_of(answer, struct):
    kept = {field.name for field in msgspec.structs.fields(struct)} - {"deleted_at"}
    assert set(answer.model_fields) - {"id"} == kept


class Page(HTMLParser):
    """What a page would fetch, the ids it has and those it links to."""

    def __init__(self):
        super().__init__()
        self.fetched, self.ids, self.links = [], set(), set()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("script", "link", "img", "iframe"):
            self.fetched.append(tag)
        self.ids |= {found["id"]} if "id" in found else set()
        self.links |= {found["href"]} if "href" in found else set()


@pytest.mark.parametrize("prefix", ["", "/api-v3"])
async def test_the_page_needs_nothing_from_elsewhere(site, tmp_path, prefix):
    office = Office(site, tmp_path, prefix=prefix)
    transport = httpx.ASGITransport(office.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://rerund") as client:
        page = await client.get(f"{prefix}/docs")
        served = await client.get(f"{prefix}/openapi.json")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert served.json() == office.app.openapi()
    read = Page()
    read.feed(page.text)
    assert read.fetched == []
    inside = {link[1:] for link in read.links if link.startswith("#")}
    assert inside
    assert inside <= read.ids
    assert {link for link in read.links if not link.startswith("#")} == {f"{prefix}/openapi.json"}
    for name, operation in operations(office.app.openapi()).items():
        method, path = name.split(" ")
        assert re.search(rf"<code>{method} {re.escape(path)}</code>", page.text)
        assert operation["summary"] in page.text
