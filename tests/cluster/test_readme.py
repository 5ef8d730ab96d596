"""The README's block for a cluster, as it stands, in a namespace of its own and with the images that were built."""

import re
import shlex
import subprocess

from services.bench.cluster import Cluster
from tests.cluster.installed import ROOT, images


def test_the_readmes_block_installs_strata_and_proves_it(cluster: Cluster) -> None:
    (block,) = re.findall(r"^```sh cluster\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.M | re.S)
    install, test = [shlex.split(line) for line in block.splitlines() if line.startswith("helm ")]
    built = [word for name, image in images().items() for word in ("--set", f"images.{name}={image}")]
    beside = Cluster(f"{cluster.namespace}-readme", cluster.ingress)
    beside.claim()
    try:
        for command in ([*install, *built], [*test, "--logs"]):
            command += ["--namespace", beside.namespace]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        beside.remove(wait=False)
