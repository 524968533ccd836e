"""``python -m ws_gateway``: serve until told to stop. Settings come from ``WHITEBG_*`` in the environment."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from ws_gateway import tracing
from ws_gateway.server import serve
from ws_gateway.settings import Settings
from ws_gateway.tls import CertificateUnusable


def main() -> int:
    """Run the gateway; return the exit status."""
    try:
        settings = Settings()  # type: ignore[call-arg]  # what is required comes from the environment
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            # What is wrong with several together names them itself.
            name = "".join(f"WHITEBG_{part}: ".upper() for part in each["loc"][:1])
            sys.stderr.write(f"{name}{each['msg']}\n")
        return 2
    try:
        if settings.tracing:
            tracing.start("whitebg-gateway")
        if settings.tls is not None:
            settings.tls.read()
    except (CertificateUnusable, tracing.TracingUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
