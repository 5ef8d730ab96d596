"""The `strata` command. Every verb is thin: it reads arguments, calls a use case, and prints."""

from services.cli.app import main

__all__ = ["main"]
