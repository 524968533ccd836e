"""`python -m whitebg`."""

from whitebg.cli.app import main

main()
