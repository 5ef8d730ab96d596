"""The colours of things that are told apart on a picture; `web/src/app/style.css` has the same."""

HUES = ("#de2730", "#098828", "#1751df", "#742d00", "#7a1996", "#004e5a", "#a06900", "#716a82")


def hue_of(label: int) -> str:
    """A class's colour; white writing can be read on it."""
    return HUES[label % len(HUES)]
