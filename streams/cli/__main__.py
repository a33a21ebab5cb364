"""`python -m streams.cli` is `flyball`."""

from streams.cli.main import main

main()
