"""What the console keeps: users, who is logged in, files, runs; and the rules for names and paths."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from services.edge.errors import InvalidInput

LONGEST_PATH = 400
"""Characters of a whole path."""
_LONGEST_NAME_BYTES = 255
"""Of one part of a path, as file systems have it."""
_USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,38}[a-z0-9]")
LEAST_PASSWORD, MOST_PASSWORD = 10, 200


@dataclass(frozen=True)
class User:
    """One account; `id` is what everything of his is kept under, `name` is for people."""

    id: str
    name: str
    password_hash: str


@dataclass(frozen=True)
class LogIn:
    """One browser that is logged in.

    Attributes:
        digest: of the secret in its cookie; the secret itself is not kept.
        csrf_token: what its page sends with each change.
        until_s: seconds since 1970.
    """

    digest: str
    user: str
    csrf_token: str
    until_s: float


@dataclass(frozen=True)
class UserFile:
    """A file or a folder of a user's.

    Attributes:
        path: `folder/name`, without a slash at either end.
        size_bytes: 0 of a folder.
        workbench_file: the id of the copy that the workbench was given last; empty where it has none.
    """

    id: str
    user: str
    path: str
    is_folder: bool
    size_bytes: int
    created_s: float
    workbench_file: str = ""


@dataclass(frozen=True)
class WorkbenchCopy:
    """A copy of a user's file that the workbench was given; it is due to go once the file has gone.

    Attributes:
        id: the workbench's.
        file: the id of the file here.
    """

    id: str
    user: str
    file: str


class RunMode(StrEnum):
    """How a whole model runs."""

    FLOAT = "float"
    HYBRID = "hybrid"
    INT8 = "int8"
    AUTO = "auto"


class RunState(StrEnum):
    """Where a run is."""

    WAITING = "waiting"
    OPENING = "opening"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class RunOrder:
    """What to run.

    Attributes:
        model: a name that the workbench knows, or the id of a user's `.strata` file.
        is_file: which of both.
        weights: of a named model; empty takes its own.
        size: side of a Darknet network's input in pixels; 0 is its own.
        integer_file: the id of a user's `.integers` file; empty calibrates on the picture where needed.
        picture: the id of a user's file.
        top_k, threshold: classes to name, and the least score of a box, 0 to 1.
    """

    model: str
    is_file: bool
    mode: RunMode
    picture: str
    weights: str = ""
    size: int = 0
    integer_file: str = ""
    top_k: int = 5
    threshold: float = 0.5


@dataclass(frozen=True)
class Run:
    """One inference of a user's, and the session in which it can be stepped.

    Attributes:
        model_name, picture_name: for people.
        picture_bytes: of the copy that the run keeps.
        session: the workbench's; empty until it is open.
        result: what the workbench found, as JSON; empty until it is done.
        fault: why it failed, for people.
    """

    id: str
    user: str
    request: RunOrder
    model_name: str
    picture_name: str
    picture_bytes: int
    created_s: float
    state: RunState = RunState.WAITING
    session: str = ""
    result: str = ""
    fault: str = ""

    @property
    def is_over(self) -> bool:
        """Nothing more happens to it by itself."""
        return self.state in (RunState.DONE, RunState.FAILED)


@dataclass(frozen=True)
class Link:
    """What a user has shared: a page about a layer of a run, as it was.

    Attributes:
        digest: of the secret in its address; the secret itself is not kept.
    """

    id: str
    user: str
    run: str
    layer: str
    digest: str
    page_bytes: int
    created_s: float


def check_user_name(name: str) -> str:
    """The name in the one form it is kept in. Raises InvalidInput."""
    folded = name.strip().lower()
    if not _USER_NAME.fullmatch(folded):
        raise InvalidInput(
            "a user's name has 3 to 40 letters a to z, digits, dots, dashes or underscores, and begins and ends with a "
            "letter or a digit"
        )
    return folded


def check_password(password: str) -> str:
    """The password as it came. Raises InvalidInput."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise InvalidInput(f"a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    return password


def check_path(path: str) -> str:
    """A path in the one form it is kept in. Raises InvalidInput: it is malformed, or leads elsewhere."""
    normal = unicodedata.normalize("NFC", path).strip("/")
    if not normal or len(normal) > LONGEST_PATH:
        raise InvalidInput(f"a path has 1 to {LONGEST_PATH} characters, such as pictures/dog.jpg")
    for name in normal.split("/"):
        if name in ("", ".", "..") or name != name.strip() or "\\" in name:
            raise InvalidInput(
                f"'{name}' cannot be a name in a path: neither empty, . or .., nor with a backslash or blank at an end"
            )
        if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in name):
            raise InvalidInput("a name in a path has no control characters")
        if len(name.encode()) > _LONGEST_NAME_BYTES:
            raise InvalidInput(f"a name in a path has at most {_LONGEST_NAME_BYTES} bytes")
    return normal


def folders_of(path: str) -> list[str]:
    """The folders that a path lies in, the outermost first."""
    names = path.split("/")[:-1]
    return ["/".join(names[: n + 1]) for n in range(len(names))]
