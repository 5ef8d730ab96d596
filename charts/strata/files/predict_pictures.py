"""Prove an install: classify one shipped picture of each class through the front door, and judge the answers.

Every member has to answer. Where the ensemble knows the pictures' classes, most answers have to be right, too.
Arguments: the front door's address, the ensemble's name.
"""

import sys
import time
from pathlib import Path

import httpx

PICTURES = Path("/opt/strata/examples/fashion/pictures")
# The models are right about nine times of ten; fewer than this is a broken install, not bad luck.
LEAST_RIGHT_SHARE = 0.7
READY_TIMEOUT_S = 180


def classify(client, ensemble, picture):
    """Return the answer to one picture, and what is wrong with it: nothing, if every member answered."""
    # The first answer may wait for every model to start.
    query = {"deadline_ms": 60_000}
    try:
        response = client.post(f"/v1/ensembles/{ensemble}:predict", content=picture.read_bytes(), params=query)
    except httpx.TransportError as error:
        return None, f"no answer: {error}"
    if response.is_client_error and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
        sys.exit(f"{response.status_code} {response.text}")  # waiting would not mend it
    if response.is_error:
        return None, f"{response.status_code} {response.text}"
    answer = response.json()
    states = {member["model"]: member["state"] for member in answer["members"]}
    return answer, "" if set(states.values()) == {"answered"} else f"not every member answered: {states}"


def main(address, ensemble):
    pictures = [sorted(folder.glob("*.png"))[0] for folder in sorted(PICTURES.iterdir()) if folder.is_dir()]
    right = 0
    with httpx.Client(base_url=address, timeout=120) as client:
        # Right after an install the front door and the first revisions of the models are still on their way.
        limit = time.monotonic() + READY_TIMEOUT_S
        while (fault := classify(client, ensemble, pictures[0])[1]) and time.monotonic() < limit:
            print(f"not ready: {fault}", flush=True)
            time.sleep(2)
        for picture in pictures:
            answer, fault = classify(client, ensemble, picture)
            if fault:
                sys.exit(f"{picture.parent.name}: {fault}")
            label = answer["predictions"][0]["scores"][0]["label"]
            right += label == picture.parent.name
            print(f"{picture.parent.name}: {label}, {answer['latency_ms']:.0f} ms", flush=True)
        (labels,) = [each["labels"] for each in client.get("/v1/ensembles").json() if each["name"] == ensemble]
    if {picture.parent.name for picture in pictures} <= set(labels):
        print(f"{right} of {len(pictures)} right")
        sys.exit(0 if right >= LEAST_RIGHT_SHARE * len(pictures) else "too few are right")


main(*sys.argv[1:])
