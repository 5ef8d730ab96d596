"""The README's block for a cluster, as it stands, in a namespace of its own and with the images that were built."""

import re
import shlex
import subprocess
import time

from tests.cluster.installed import ROOT, images, namespace


def test_the_readmes_block_installs_and_proves_strata_and_its_notes_remove_it() -> None:
    (block,) = re.findall(r"^```sh cluster\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.M | re.S)
    install, test = [shlex.split(line) for line in block.splitlines() if line.startswith("helm ")]
    built = [word for name, image in images().items() for word in ("--set", f"images.{name}={image}")]
    with namespace("readme") as beside:
        for command in ([*install, *built], [*test, "--logs"]):
            command += ["--namespace", beside.namespace]
            _run(command)
        notes = _run(["helm", "get", "notes", "strata", "--namespace", beside.namespace])
        removal = notes[notes.index("Remove all of it") :].splitlines()[1:]
        for line in filter(str.strip, removal):
            _run(shlex.split(line))
        kinds, ours = "all,configmaps,secrets,serviceaccounts", "app.kubernetes.io/instance=strata"
        limit = time.monotonic() + 120
        while left := beside.kubectl("get", kinds, "--selector", ours, "--output", "name"):
            assert time.monotonic() < limit, left
            time.sleep(1)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
