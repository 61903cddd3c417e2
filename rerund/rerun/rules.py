"""The windows and choices of the rerun service, with the defaults of the configuration."""

import msgspec

DAY = 86400.0


class Rules(msgspec.Struct, frozen=True):
    """Windows in seconds; `keep_parallel` names the instruments with `parallel = "keep"`."""

    late_order_window: float = 72 * 3600.0
    sample_id_window: float = 14 * DAY
    history_window: float = 72 * 3600.0
    clock_tolerance: float = 300.0
    resend_window: float = 60.0
    auto_rerun_max_age: float = 2 * 3600.0
    rerun_overdue: float = 4 * 3600.0
    keep_parallel: frozenset[str] = frozenset()

    @property
    def ledger_window(self) -> float:
        """How far back results of a sample may still belong to something new."""
        return self.sample_id_window + self.late_order_window + self.history_window
