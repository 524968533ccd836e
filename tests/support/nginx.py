"""nginx with the configuration of deployments."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

TEMPLATE = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf.template"


def nginx_program() -> str:
    """Return the path of nginx."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    assert program, "nginx is not installed; run: sh tools/setup.sh dev"
    return program


def nginx_configuration(values: Mapping[str, str]) -> str:
    """Fill in the template as nginx's container image does: only the named variables are replaced."""
    return re.sub(r"\$\{(\w+)\}", lambda name: values.get(name[1], name[0]), TEMPLATE.read_text())
