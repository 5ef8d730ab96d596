"""Whole numbers as people type them."""

from services.edge.errors import InvalidInput

LARGEST_SEED = 2**63 - 1
"""torch and numpy both take seeds up to here."""


def read_whole_number(text: str, largest: int = LARGEST_SEED) -> int:
    """Read a number of plain digits, 0 to `largest`.

    Raises:
        InvalidInput: anything else, the other digits of Unicode included.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(largest)) and int(text) <= largest):
        raise InvalidInput(f"{text!r} is not a whole number from 0 to {largest}")
    return int(text)
