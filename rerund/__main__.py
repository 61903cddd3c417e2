"""`python -m rerund` is `rerund`."""

from rerund.cli.main import main

main()
