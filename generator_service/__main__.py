"""``python -P -m generator_service``: see `generator_service.command_line`."""

from __future__ import annotations

import sys

from whitebg_process.garbage import importing

with importing():
    from generator_service.command_line import main

if __name__ == "__main__":
    sys.exit(main())
