"""What we send, as independent libraries read it."""

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from protocols.hl7.acknowledgment import Condition, Stamp, acknowledge
from protocols.hl7.header import read_header
from tests.protocols.hl7.samples import message

STAMP = Stamp("H1", "20260102030405")
CONDITIONS = [None, Condition.UNSUPPORTED_TYPE, Condition.DATA_TYPE, Condition.INTERNAL]


@pytest.mark.conformance(128, 129)
@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1", "2.6"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_acknowledgments_are_valid_at_the_strictest_level_of_hl7apy(version, condition):
    header = read_header(message("7", "ORU^R01^ORU_R01", version=version, charset="8859/1"))
    code = "AA" if condition is None else "AE"
    content = acknowledge(header, code, STAMP, condition=condition).decode()
    found = parse_message(content, validation_level=VALIDATION_LEVEL.STRICT)
    assert found.validate()
    assert found.msa.msa_2.value == "7"
