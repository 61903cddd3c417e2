"""What a client may be told of TLS, to a server that wants it and a client certificate."""

import pytest

from rerund.stores.settings import Tls

REFUSED = {
    "no TLS": lambda made: None,
    "another authority": lambda made: Tls(made.other_ca, made.client_cert, made.client_key),
    "those of the machine": lambda made: Tls(None, made.client_cert, made.client_key),
    "no certificate": lambda made: Tls(made.ca),
}

with_refused_tls = pytest.mark.parametrize("tls", REFUSED.values(), ids=list(REFUSED))
