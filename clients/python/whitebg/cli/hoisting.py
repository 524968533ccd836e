"""Options of the root command that were written after a subcommand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def hoisted(arguments: Sequence[str], options: Mapping[str, bool]) -> list[str]:
    """Move the root's options to the front; everything after ``--`` stays as it is.

    ``options`` has the root's options, such as ``--user``, and whether each is a flag, without a value.
    """
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest.append(argument)
            break
        name, assigned, _ = argument.partition("=")
        if name not in options:
            rest.append(argument)
            continue
        if options[name] or assigned:
            front.append(argument)
        elif (value := next(remaining, None)) is not None:
            front += argument, value
        else:
            rest.append(argument)  # The parser reports that the value is missing.
    return [*front, *rest, *remaining]
