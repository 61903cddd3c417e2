"""What the activity log says of values that came."""

from rerund.rerun.draft import Draft
from rerund.rerun.placing import Placed
from rerund.rerun.states import ActivityCode


def log_received(
    draft: Draft, number: int, values: list[Placed], code: ActivityCode | None
) -> None:
    """Values under a number, beside what the report shows."""
    slots = draft.case.slots
    old = {str(v.index): slots[v.index].value for v in values if v.index in slots}
    new = {str(v.index): v.row.value for v in values}
    draft.log(code, number, old={"values": old}, new={"values": new})


def log_failed(
    draft: Draft, code: ActivityCode | None, number: int, indexes: list[int], reason: str
) -> None:
    """Parameters of a number that gave no value to review, and why."""
    parameters = draft.case.parameters
    names = [parameters[index].parameter_name for index in indexes if index in parameters]
    new: dict[str, object] = {"reason": reason, "indexes": indexes, "parameter_names": names}
    draft.log(code, number or None, old={}, new=new)
