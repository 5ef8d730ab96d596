"""The order in which tests begin where workers share them."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_the_browsers_tests_begin_before_all_others(request: pytest.FixtureRequest) -> None:
    """Where all are collected: its longest file takes minutes, and the other workers would wait for it."""
    folders = [item.path.relative_to(TESTS).parts[0] for item in request.session.items]
    assert folders == sorted(folders, key=lambda folder: folder != "web")
