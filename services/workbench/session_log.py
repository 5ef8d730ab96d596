"""How a session was opened and what was done in it: all that is needed to open it again as it was."""

import json
from dataclasses import asdict, dataclass, replace

from quant.precision import Mode
from services.edge.errors import DamagedFile, OtherVersion
from services.workbench.events import Event, Moved, event_from_json, event_to_json

_VERSION = 1


@dataclass(frozen=True)
class NamedModel:
    """A model of the catalog; `weights` None takes those of its model file, `size` None a Darknet network's own."""

    name: str
    weights: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Opening:
    """What a session was opened with.

    Attributes:
        model: by name, or the id of a model's file.
        model_digest: of the model that was found then.
        integer_file: id of a file; None where the model has no integers.
        calibrated_on_picture: the integers were made of the session's picture alone.
        picture_name: what errors call the picture.
        integer_digest: of the content of that file; empty in logs of older builds too.
        calibrated_here: the integers were made in this session, of other pictures.
    """

    model: NamedModel | str
    model_digest: str
    integer_file: str | None
    calibrated_on_picture: bool
    picture_name: str
    mode: Mode
    integer_digest: str = ""
    calibrated_here: bool = False

    @property
    def own_integers(self) -> str | None:
        """The file of integers that was made for this session, and goes with it; None where there is none."""
        return self.integer_file if self.calibrated_on_picture or self.calibrated_here else None


@dataclass(frozen=True)
class SessionLog:
    """The opening and everything that happened since, oldest first."""

    opening: Opening
    events: tuple[Event, ...] = ()

    def then(self, event: Event) -> "SessionLog":
        """With one event more; of moves that follow each other only the last counts."""
        before = self.events
        if isinstance(event, Moved) and before and isinstance(before[-1], Moved):
            before = before[:-1]
        return replace(self, events=(*before, event))


def encode_log(log: SessionLog) -> bytes:
    """As JSON."""
    content = {"version": _VERSION, "opening": asdict(log.opening), "events": list(map(event_to_json, log.events))}
    return json.dumps(content, allow_nan=False).encode()


def decode_log(data: bytes) -> SessionLog:
    """The log again.

    Raises:
        OtherVersion: written by another version of this service.
        DamagedFile: it is not a log.
    """
    try:
        content = json.loads(data)
        if content["version"] != _VERSION:
            raise OtherVersion(
                f"the session was written in version {content['version']!r}, this build reads {_VERSION}"
            )
        fields = dict(content["opening"])
        model = fields.pop("model")
        opened = NamedModel(**model) if isinstance(model, dict) else str(model)
        opening = Opening(**{**fields, "model": opened, "mode": Mode(fields["mode"])})
        return SessionLog(opening, tuple(map(event_from_json, content["events"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFile(f"the session's log cannot be read: {error}") from error
