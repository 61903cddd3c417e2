"""The front of the daemon: the HTTP process, kept alive when `[http]` is configured."""

from rerund.child import Child
from rerund.config import Config
from rerund.http.start import pack_start, start_of


def front_of(config: Config) -> Child | None:
    """Return the HTTP process of a configuration, not started yet; None without `[http]`."""
    if config.file.http is None:
        return None
    message = pack_start(start_of(config))
    return Child("http", "rerund.http.process", lambda: message)
