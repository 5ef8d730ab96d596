"""Prove an install: classify one shipped picture of each class through the front door, and judge the answers.

Every member has to answer. Where the ensemble knows the pictures' classes, most answers have to be right, too.
Arguments: the front door's address, the ensemble's name.
"""

import sys
from pathlib import Path

import httpx

PICTURES = Path("/opt/strata/examples/fashion/pictures")
# The models are right about nine times of ten; fewer than this is a broken install, not bad luck.
LEAST_RIGHT_SHARE = 0.7

address, ensemble = sys.argv[1:]
pictures = [sorted(folder.glob("*.png"))[0] for folder in sorted(PICTURES.iterdir()) if folder.is_dir()]
classes = {picture.parent.name for picture in pictures}
right = 0
with httpx.Client(base_url=address, timeout=120) as client:
    (labels,) = [each["labels"] for each in client.get("/v1/ensembles").json() if each["name"] == ensemble]
    for picture in pictures:
        # The first answer may wait for every model to start.
        query = {"deadline_ms": 60_000}
        response = client.post(f"/v1/ensembles/{ensemble}:predict", content=picture.read_bytes(), params=query)
        if response.is_error:
            sys.exit(f"{picture.parent.name}: {response.status_code} {response.text}")
        answer = response.json()
        states = {member["model"]: member["state"] for member in answer["members"]}
        if set(states.values()) != {"answered"}:
            sys.exit(f"{picture.parent.name}: not every member answered: {states}")
        label = answer["predictions"][0]["scores"][0]["label"]
        right += label == picture.parent.name
        print(f"{picture.parent.name}: {label}, {answer['latency_ms']:.0f} ms", flush=True)
if classes <= set(labels):
    print(f"{right} of {len(pictures)} right")
    sys.exit(0 if right >= LEAST_RIGHT_SHARE * len(pictures) else "too few are right")
