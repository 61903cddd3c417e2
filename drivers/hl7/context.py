"""The segments around a result, by the groups of ORU and OUL messages.

A group ends where another of its level begins. Below a patient are specimens, below them
orders. Vendors and versions put ORC before OBR (ORU) or behind it (OUL), and SPM before the
orders (OUL) or behind the results (ORU_R30): a segment that is there already, or that comes
after results, begins the next group.
"""

from drivers.fields import Context, Fields

SPECIMEN = ("SPM", "SAC", "INV")
ORDER = ("ORC", "OBR", "TQ1")
_BELOW_PATIENT = ("PV1", "PV2", "PD1", "NK1", *SPECIMEN, *ORDER)


class Groups(Context):
    """The fields of MSH, PID, SPM, OBR and their like that a result belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self._trailing = False

    def __contains__(self, segment: str) -> bool:
        return segment in self._records

    def enter(self, record: str, fields: Fields) -> None:
        """Add a segment to the group that is open; of several the first counts."""
        self._records.setdefault(record, fields)

    def replace(self, record: str, fields: Fields) -> None:
        """Put other fields in the place of a segment."""
        self._records[record] = fields

    def fields(self, record: str) -> Fields:
        """Return the raw fields of a segment; none when it is absent."""
        return self._records.get(record, ())

    def field(self, record: str, position: int) -> str:
        """Return the raw text of a field; empty when the segment or the field is absent."""
        fields = self._records.get(record, ())
        return fields[position] if position < len(fields) else ""

    def trail(self) -> None:
        """The specimen comes behind the results of its order and ends with it."""
        self._trailing = True

    def leave_order(self) -> None:
        """End an order, and the specimen that came behind its results."""
        self._drop(ORDER)
        if self._trailing:
            self.leave_specimen()

    def leave_specimen(self) -> None:
        """End a specimen."""
        self._trailing = False
        self._drop(SPECIMEN)

    def leave_patient(self) -> None:
        """End a patient and all that is below."""
        self._trailing = False
        self._drop(("PID", *_BELOW_PATIENT))

    def _drop(self, segments: tuple[str, ...]) -> None:
        for segment in segments:
            self._records.pop(segment, None)
