"""Every error a user can meet, as one tree. `status.py` maps the ten kinds to gRPC and HTTP status.

StrataError
├── InvalidInput             the request or file is wrong and stays wrong
│   ├── NotAPicture          PictureTooLarge  EmptyBatch  BatchTooLarge
│   ├── NotASound
│   ├── BodyTooSlow          UnknownEncoding
│   ├── ShapeMismatch        DtypeMismatch    NonFiniteInput    UnknownTensor
│   ├── InvalidDeclaration   a model, ensemble or settings file with a fault; names file and field
│   └── InvalidWeights       weights that do not fit, truncated, or not weights at all
│       └── ForeignFile      DamagedFile      OtherVersion      OtherModel
├── Unauthenticated          the caller has not said who he is, or not in a way that can be believed
├── Forbidden                the caller is known, and may not
├── NotFound                 ModelNotFound  EnsembleNotFound  ArtifactNotFound  SessionNotFound  RunNotFound
│   └── TensorNotFound
├── TooLarge                 the body is over the limit
│   └── QuotaExceeded
├── FailedPrecondition       right request, wrong moment: not compiled
│   ├── NoIntegers           NoAutoPlan       BudgetNotMet
│   ├── ArtifactExists       StoreRefused     StoreFull    MemoryTooSmall
│   ├── NameTaken            another user has that name
│   ├── SessionFileGone      a session's model or integers were removed while it was away
│   ├── JobUnderWay          another driver runs the job
│   ├── OtherChain           stages, activations or jobs of another model or other cuts
│   └── NoPlan               no way to do a job in the time or for the money
├── Unavailable              try again later
│   ├── MemberUnavailable    StageUnavailable StoreUnavailable ExecutorLost
│   ├── NotStarted           NotReady         ServiceStopping
│   └── QueueFull            TooManyLogIns    LateAlready
├── DeadlineExceeded         nothing useful was in by the deadline
├── Unsupported              this build or machine cannot do that
└── Internal                 a fault of ours; the caller gets an id to look up in the log, never the text
"""


class StrataError(Exception):
    """Base of all. The message names what is wrong and what to do next; it is shown to users as it is."""


class InvalidInput(StrataError):
    """The request or file is wrong; sending it again will not help."""


class Unauthenticated(StrataError):
    """Nobody is logged in, or the token or cookie is not one of ours."""


class Forbidden(StrataError):
    """The caller is known, and may not do that."""


class NotFound(StrataError):
    """What was named does not exist."""


class TooLarge(StrataError):
    """The request is over a stated limit."""


class FailedPrecondition(StrataError):
    """The request is right, the moment is wrong."""


class Unavailable(StrataError):
    """A peer did not answer or we cannot yet; trying again may help."""


class DeadlineExceeded(StrataError):
    """Nothing useful was ready by the deadline."""


class Unsupported(StrataError):
    """This build or this machine cannot do what was asked."""


class Internal(StrataError):
    """A fault of ours."""


class NotAPicture(InvalidInput):
    """The bytes are not a picture that can be decoded, or are cut short."""


class NotASound(InvalidInput):
    """The bytes are not a sound that can be decoded, or one that is too long."""


class PictureTooLarge(InvalidInput):
    """The picture has more pixels than the limit, or would have once resized; found before any of that is done."""


class EmptyBatch(InvalidInput):
    """The request has nothing in it."""


class BatchTooLarge(InvalidInput):
    """More items than one request may have."""


class BodyTooSlow(InvalidInput):
    """The body of a request comes more slowly than a server waits for."""


class UnknownEncoding(InvalidInput):
    """The body of a request is packed in a way that is not read here."""


class ShapeMismatch(InvalidInput):
    """A tensor's shape is not the declared one."""


class DtypeMismatch(InvalidInput):
    """A tensor's element type is not the declared one."""


class NonFiniteInput(InvalidInput):
    """A tensor holds NaN or infinity."""


class UnknownTensor(InvalidInput):
    """The model has no input or output of that name."""


class InvalidDeclaration(InvalidInput):
    """A model, ensemble or settings file has a fault; the message names file and field."""


class InvalidWeights(InvalidInput):
    """Weights do not fit their model, are cut short, or are something else."""


class ForeignFile(InvalidWeights):
    """A file of another kind than was asked for."""


class DamagedFile(InvalidWeights):
    """A file of ours that is cut short or was changed."""


class OtherVersion(InvalidWeights):
    """A file of ours in a format this build does not read."""


class OtherModel(InvalidWeights):
    """Integer weights of another model."""


class ModelNotFound(NotFound):
    """No model of that name is served or declared."""


class EnsembleNotFound(NotFound):
    """No ensemble of that name is declared."""


class ArtifactNotFound(NotFound):
    """No object is stored under that reference."""


class SessionNotFound(NotFound):
    """The caller has no workbench session of that id."""


class TensorNotFound(NotFound):
    """The layer has no tensor of that kind: a pooling has no weights, and a float layer no integer sums."""


class QuotaExceeded(TooLarge):
    """More than one user may keep."""


class RunNotFound(NotFound):
    """The caller has no run of that id."""


class NameTaken(FailedPrecondition):
    """Another user has that name."""


class SessionFileGone(FailedPrecondition):
    """A file that a workbench session was opened with was removed; the session stays, and waits for the same again."""


class NoIntegers(FailedPrecondition):
    """The model is not calibrated."""


class NoAutoPlan(FailedPrecondition):
    """Nobody has measured a plan of the mode `auto` for the model."""


class BudgetNotMet(FailedPrecondition):
    """No integer plan of a model keeps as much of its answers as was asked for."""


class ArtifactExists(FailedPrecondition):
    """An object is there where none may be."""


class JobUnderWay(FailedPrecondition):
    """Another driver runs the job."""


class StoreRefused(FailedPrecondition):
    """The object store does not allow it: its keys are wrong, or it may only be read."""


class StoreFull(FailedPrecondition):
    """Nothing more fits in the object store."""


class MemoryTooSmall(FailedPrecondition):
    """The memory of a stage does not hold its smallest batch."""


class OtherChain(FailedPrecondition):
    """A stage, an activation or a job belongs to another model, or to the same with other cuts."""


class NoPlan(FailedPrecondition):
    """No way to do a job in the time that was given, or for the money."""


class StoreUnavailable(Unavailable):
    """The object store did not answer."""


class StageUnavailable(Unavailable):
    """A stage could not be reached, or ended while it worked."""


class ExecutorLost(Unavailable):
    """What runs the stages has ended, and none of them can be reached."""


class MemberUnavailable(Unavailable):
    """A model of the ensemble could not be reached or failed."""


class NotStarted(Unavailable):
    """A service on this machine did not start."""


class NotReady(Unavailable):
    """The model is still loading."""


class QueueFull(Unavailable):
    """As many requests as may wait are waiting; nothing of this one was done.

    Attributes:
        retry_after_s: when there will be room, as far as that is known.
    """

    def __init__(self, message: str, retry_after_s: float | None = None):
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyLogIns(QueueFull):
    """Too many wrong passwords for one name; the next is heard after a while."""


class LateAlready(QueueFull):
    """By what the members take just now, no answer would be in by the deadline; nothing was started."""


class ServiceStopping(Unavailable):
    """The service stops, and had no more time for this request."""
