"""
Every error cloche raises, as one tree.

A class says *what kind of thing* went wrong; its message says where, what was expected and what
came. Only the edges translate: `web/problems.py` to an HTTP status, `cli/` to an exit status.

    ClocheError
    ├── UsageError                      called wrongly                        (exit 2)
    ├── NotFoundError                   no such thing                         (exit 3, HTTP 404)
    ├── StoreError                      the store cannot do it                (exit 4)
    ├── ServerUnreachableError          a client met nobody                   (exit 4)
    ├── DeliveryError                   a sink took no notice of an alert     (exit 4)
    ├── RefusedError                    understood, and not done              (exit 1)
    │   ├── SaveRefusedError · NotLoweredError · BreakingContractError · RouteRaceError
    │   ├── MissingExtraError · MissingProgramError
    │   ├── ImportRefusedError · SandboxMissingError
    │   └── ArtifactError               an artifact that will not be opened
    ├── RequestError                    the caller's request is wrong         (HTTP 4xx)
    └── ServingError                    the server cannot answer now          (HTTP 5xx)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from cloche.contract.problems import Problem


class ClocheError(Exception):
    """
    The root: catch it to catch everything cloche raises on purpose.

    `request_id` is set where a server answered with the error: quote it when you ask about it.
    """

    request_id: str | None = None


# -- called wrongly, not there, not reachable ---------------------------------------------------


class UsageError(ClocheError):
    """An argument or a setting is wrong; nothing was tried."""


class NotFoundError(ClocheError):
    """What was named does not exist; the message lists what does."""


class ModelNotFoundError(NotFoundError):
    """No model of that name in the store."""


class VersionNotFoundError(NotFoundError):
    """The model has no such version, or the route points at none."""


class ObjectNotFoundError(NotFoundError):
    """The store holds no object of that name."""


class RecordNotFoundError(NotFoundError):
    """The prediction log holds no such record, or not yet."""


class StoreError(ClocheError):
    """The store could not be read or written."""


class StoreUnreachableError(StoreError):
    """The store did not answer."""


class ServerUnreachableError(ClocheError):
    """A client met nobody at the address, or the connection broke before an answer came."""


class DeliveryError(ClocheError):
    """A sink of alerts did not take a notice; the message says what it answered, and never where it is."""


class DishonestStoreError(StoreError):
    """The store overwrote an object that was to be created only once."""


class ObjectExistsError(StoreError):
    """A create-only write met an object that is already there."""


class SpoolError(StoreError):
    """The folder in which records wait for the store cannot be used."""


class LogRaceError(StoreError):
    """Somebody else committed to a table of the log first; opened again, it may be tried again."""


class DamagedSegmentError(StoreError):
    """A segment of the prediction log is not what its writer sealed."""


# -- refused ------------------------------------------------------------------------------------


class RefusedError(ClocheError):
    """Understood, and not done; the message says why and what would help."""


class SaveRefusedError(RefusedError):
    """The model cannot be frozen as it is; the message holds the recipe."""


class NotLoweredError(RefusedError):
    """The model has no exact twin; the message names the step and why. It stays with its own library."""


class BreakingContractError(RefusedError):
    """The new version would break callers of the contract; `breaks` lists how."""

    def __init__(self, message: str, breaks: Sequence[str]) -> None:
        super().__init__(message)
        self.breaks = tuple(breaks)


class RouteRaceError(RefusedError):
    """Somebody else changed the routes first, and the change no longer makes sense."""


class NotReproducibleError(RefusedError):
    """The training of a version cannot be run again here; the message says what is missing."""


class AmbiguousRequestIdError(RefusedError):
    """The id is that of several requests; the message says of how many."""


class MissingExtraError(RefusedError):
    """A library is not installed; the message is the command that installs it."""

    def __init__(self, what: str, needs: str, extra: str) -> None:
        super().__init__(f"{what} needs '{needs}'; run: pip install 'cloche[{extra}]'")
        self.extra = extra


class MissingProgramError(RefusedError):
    """A program that is no Python package is not installed; the message says how to install it."""

    def __init__(self, what: str, needs: str, recipe: str) -> None:
        super().__init__(f"{what} needs {needs}, which is not installed here; {recipe}")


class ImportRefusedError(RefusedError):
    """What another tool wrote is not imported; the message says why and what would help."""


class SandboxMissingError(RefusedError):
    """This machine cannot shut a process in, and nobody said that it may run without that."""


class ArtifactError(RefusedError):
    """An artifact that will not be opened; each reason is a class of its own."""


class SignatureError(ArtifactError):
    """The signature is missing, broken, or by a key that is not trusted."""


class ManifestError(ArtifactError):
    """`manifest.json` is missing, not valid, or of a format this cloche does not know."""


class UnlistedFileError(ArtifactError):
    """A file lies in the artifact that the manifest does not list."""


class MissingFileError(ArtifactError):
    """A file that the manifest lists is not there."""


class NotAFileError(ArtifactError):
    """An entry is a link, a device or something else that is no plain file."""


class PathEscapeError(ArtifactError):
    """A path in the manifest leads out of the artifact."""


class DigestMismatchError(ArtifactError):
    """A file is not the one that was published: its size or sha256 differs."""


class ArchiveLimitError(ArtifactError):
    """An archive inside would unpack to more than the limits allow."""


class WrongFormatError(ArtifactError):
    """A file is not of the format its name claims (a pickle called `.skops`, say)."""


class UntrustedTypeError(ArtifactError):
    """The model holds a type that this operator does not allow."""


class UntrustedCodeError(ArtifactError):
    """Opening the model runs code that came with it, and this operator trusts neither its digest nor its signer."""


class TamperedModelError(ArtifactError):
    """The model's content breaks a rule of its own type (a tree that points outside itself)."""


class EngineMissingError(ArtifactError):
    """The artifact holds no such engine; the message says why, where that was recorded when it was saved."""


class DeviceMissingError(ArtifactError):
    """The device that was asked for is not there, or the library finds none."""


class EnvironmentMismatchError(ArtifactError):
    """The libraries installed here cannot open the model."""


class GoldenRowsError(ArtifactError):
    """The model opened, and answers its golden rows differently from when it was saved."""


# -- a request ----------------------------------------------------------------------------------


class RequestError(ClocheError):
    """What the caller sent is wrong."""


class MalformedBodyError(RequestError):
    """The body is not what its content type says: not JSON, not UTF-8, not a known layout."""


class InvalidInputError(RequestError):
    """The rows break the contract; `problems` says where and how."""

    def __init__(self, problems: Sequence[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        first = self.problems[0].text() if self.problems else "invalid input"
        more = f" (and {self.total - 1} more)" if self.total > 1 else ""
        super().__init__(first + more)

    def to_dict(self) -> dict[str, Any]:
        """The JSON-able body that cloche's own routes answer with, less the request id: for routes of your own."""
        problems = msgspec.to_builtins(self.problems)
        return {"error": "InvalidInput", "message": str(self), "problems": problems, "problems_total": self.total}


class UnauthorizedError(RequestError):
    """No key, or not a valid one."""


class ForbiddenError(RequestError):
    """A valid key that may not do this."""


class RateLimitedError(RequestError):
    """More than a key may send, a model takes, or an address may hold open; `retry_after_s` says when to try again."""

    retry_after_s: float | None = 1.0


class TooLargeError(RequestError):
    """More bytes or rows than one request may carry."""


class UnsupportedMediaTypeError(RequestError):
    """A content type or encoding that is not spoken here."""


class NotAcceptableError(RequestError):
    """The caller takes no form that answers come in."""


class RequestTimeoutError(RequestError):
    """The request did not arrive in time."""


class ModelRequiredError(NotFoundError):
    """Several models are served and the path names none."""


class VersionNotServedError(NotFoundError):
    """That version exists or not; this server does not hold it."""


# -- the server ---------------------------------------------------------------------------------


class ServingError(ClocheError):
    """The server cannot answer this now."""

    retry_after_s: float | None = None


class NotReadyError(ServingError):
    """No version of the model is loaded."""

    retry_after_s = 1.0


class OverloadedError(ServingError):
    """More is waiting than the server keeps."""

    retry_after_s = 1.0


class DrainingError(ServingError):
    """The server is shutting down."""

    retry_after_s = 1.0


class LogUnavailableError(ServingError):
    """The answer's record could not be kept, and an answer without one does not leave."""

    retry_after_s = 1.0


class DeadlineExceededError(ServingError):
    """The model did not answer before the request's deadline."""


class EngineError(ServingError):
    """The engine raised or died; the cause is in the log, never in the answer."""
