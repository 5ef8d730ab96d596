"""`python -m services.cli` is `strata`."""

from services.cli.app import main

main()
