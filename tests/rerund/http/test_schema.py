"""The OpenAPI document against the application: no fault, no answer that it does not name."""

from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from structlog.testing import capture_logs

from rerund.http.app import make_app
from rerund.http.backend import Backend
from rerund.http.start import HttpStart
from rerund.http.tokens import Tokens
from rerund.rerun.rules import Rules
from rerund.stores.settings import StoreSettings
from tests.rerund.conftest import opened
from tests.rerund.http.office import PAST, Office

CALLERS = ("technician", "device", "viewer", "expired", None)
EXAMPLES = 12
"""Of each endpoint and caller."""


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A lab with a report in each state that takes part in reruns."""
    folder = tmp_path_factory.mktemp("lab")
    with ExitStack() as stack:
        site = stack.enter_context(opened(StoreSettings(str(folder)), Rules()))
        for report in (1, 2, 3, 4):
            sample = f"S{report}"
            site.report(report, sample)
            site.send(sample=sample, WBC="5.0", RBC="4.5", HGB="14.1", PLT="250")
        site.send(at="10:10", sample="S2", rerun=-1, WBC="9.9")
        site.request(1, 3, report=3)
        site.report(4, "S4", is_signed=True)
        office = Office(site, folder)
        office.holders.add("expired", "technician", expires=PAST)
        stage.office = office
        yield office


def map_path_parameters(context, path_parameters):
    """Turn most numbers of reports into those of a report that exists."""
    number = (path_parameters or {}).get("lab_report_id")
    if isinstance(number, int) and 0 < number < 2**63 and number % 7:
        return {**path_parameters, "lab_report_id": number % 4 + 1}
    return path_parameters


class Stage:
    """The application of the module's office, for a schema that is read before there is one."""

    office: Office

    async def __call__(self, scope, receive, send):
        await self.office.app(scope, receive, send)


stage = Stage()


def document():
    """The document as it is served."""
    start = HttpStart(rules=Rules(), stores=StoreSettings(path=""), host="", port=0, tokens_file="")
    nobody = Tokens(Path("/nonexistent"))
    return make_app(start, Backend(lambda: nullcontext(), Rules()), nobody).openapi()


schema = schemathesis.openapi.from_dict(document())
schema.app = stage
schema.hook(map_path_parameters)


@pytest.mark.parametrize("who", CALLERS)
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_documented(case, office, who):
    headers = {"Authorization": f"Bearer {office.holders.secrets[who]}"} if who else {}
    with capture_logs() as logs:
        # 409 and 422 are answers of a report's state, which no schema knows.
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
    assert not [line for line in logs if line["event"] == "http_failed"]
