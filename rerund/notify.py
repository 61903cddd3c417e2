"""Tell systemd where we are: ready, stopping, alive (sd_notify(3))."""

import os
import socket


def notify(state: str) -> bool:
    """Send `state` (for example "READY=1") to the service manager; False where there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket, sd_notify(3)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError:
            # A service manager that went away is no reason to stop receiving results.
            return False
    return True


def watchdog_interval() -> float | None:
    """Seconds between two WATCHDOG=1 messages: half of what systemd allows; None if unasked."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    if not microseconds or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 2_000_000
