"""Connection options written after the command."""

from __future__ import annotations

import pytest

from whitebg.cli.hoisting import hoisted

OPTIONS = {"--user": False, "--target": False, "--tls": True}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["list"], ["list"]),
        (["--user", "ann", "list"], ["--user", "ann", "list"]),
        (["list", "--user", "ann", "--json"], ["--user", "ann", "list", "--json"]),
        (["list", "--user=ann", "--json"], ["--user=ann", "list", "--json"]),
        (["list", "--tls", "--json"], ["--tls", "list", "--json"]),
        (["cancel", "1", "--target", "a:1", "--tls", "2"], ["--target", "a:1", "--tls", "cancel", "1", "2"]),
        (["submit", "--", "--user", "x"], ["submit", "--", "--user", "x"]),
        (["list", "--user"], ["list", "--user"]),
        (["list", "--users", "ann"], ["list", "--users", "ann"]),
    ],
)
def test_options_of_the_root_come_first(given: list[str], expected: list[str]) -> None:
    assert hoisted(given, OPTIONS) == expected
