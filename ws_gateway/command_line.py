"""``python -P -m ws_gateway``: serve until stopped by a signal. Settings come from ``WHITEBG_*`` in the environment."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from whitebg_process.certificates import CertificateError
from whitebg_process.settings import describe
from whitebg_process.tracing import TracingUnavailable, start_tracing
from ws_gateway.server import CannotListen, serve
from ws_gateway.settings import Settings


def main() -> int:
    """Run the gateway; return the exit status."""
    try:
        settings = Settings()  # type: ignore[call-arg]  # what is required comes from the environment
    except ValidationError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in describe(error, Settings))
        return 2
    try:
        if settings.tracing:
            start_tracing("whitebg-gateway")
        if settings.tls is not None:
            settings.tls.read()
    except (CertificateError, TracingUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        serve(settings)
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
