"""What a browser loads first, and what npm's lock names."""

import gzip
import json
import re

from services.console.pages import BUNDLE
from tests.web.browser import ROOT, needs_browser

pytestmark = needs_browser


def test_the_first_load_is_small() -> None:
    page = (BUNDLE / "index.html").read_text()
    first = [BUNDLE / path for path in re.findall(r'(?:src|href)="/(assets/[^"]+)"', page)]
    assert len(first) >= 2
    assert sum(len(gzip.compress(path.read_bytes())) for path in first) <= 350_000


def test_npms_lock_pins_each_package_by_its_content_and_names_no_registry() -> None:
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert installed
    assert all(package["integrity"].startswith("sha512-") for package in installed.values())
    assert not [name for name, package in installed.items() if "resolved" in package]
