"""The rules of the rerun service as a configuration has them, for every process that runs it."""

from rerund.config import Config
from rerund.rerun.rules import Rules


def rules_of(config: Config) -> Rules:
    """Return the service's rules as they are configured."""
    windows = config.file.rerun
    return Rules(
        late_order_window=windows.late_order_window,
        sample_id_window=windows.sample_id_window,
        history_window=windows.history_window,
        clock_tolerance=windows.clock_tolerance,
        resend_window=windows.resend_window,
        auto_rerun_max_age=windows.auto_rerun_max_age,
        rerun_overdue=windows.rerun_overdue,
        keep_parallel=frozenset(
            instrument.device_id
            for instrument in config.instruments
            if instrument.section.parallel == "keep"
        ),
    )
