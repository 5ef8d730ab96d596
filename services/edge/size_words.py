"""Sizes as people read them."""

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_in_words(size_bytes: int) -> str:
    """A size with three digits, as the console's page has it: 12.3 MB."""
    value, n = float(size_bytes), 0
    while value >= 999.5 and n < len(_UNITS) - 1:
        value, n = value / 1000, n + 1
    digits = f"{value:#.3g}".rstrip(".") if n else size_bytes
    return f"{digits} {_UNITS[n]}"
