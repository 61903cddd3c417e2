"""One decider per configured instrument: its profile, its clock, the lab's windows."""

from rerund.config import Config, Instrument
from rerund.interpreter import Decider
from rerund.rerun.model import Windows


def decider_of(config: Config, instrument: Instrument, journal_id: str) -> Decider:
    """Return the decider of an instrument for entries of a journal."""
    windows = config.file.rerun
    return Decider(
        instrument.profile,
        instrument.device_id,
        instrument.section.name,
        config.file.daemon.lab_id,
        journal_id,
        instrument.timezone,
        Windows(
            windows.history_window,
            windows.resend_window,
            windows.run_window,
            windows.clock_tolerance,
        ),
    )
