"""An office: the endpoints in this process, on stores of their own."""

import pytest

from tests.rerund.http.office import Office


@pytest.fixture
def office(site, tmp_path):
    """A lab with report 1, whose originals have come."""
    site.report()
    site.send(WBC="5.0", RBC="4.5", HGB="14.1", PLT="250")
    return Office(site, tmp_path)
