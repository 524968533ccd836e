"""``python -P -m ws_gateway``: see `ws_gateway.command_line`."""

from __future__ import annotations

import sys

from whitebg_process.garbage import importing

with importing():
    from ws_gateway.command_line import main

if __name__ == "__main__":
    sys.exit(main())
