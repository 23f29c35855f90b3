"""What the answers of an S3 store mean: the caller's mistakes, what may pass, and what has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from beam_jobs import ranged
from beam_jobs.ranged import Broken
from obelics_pipeline.errors import InputError, NoSuchFile, RunFailed

_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NoSuchBucket"})
_PASSING: Final = frozenset(
    (
        "BandwidthLimitExceeded", "IncompleteBody", "InternalError", "NoSuchUpload", "OperationAborted",
        "PriorRequestNotComplete", "RequestLimitExceeded", "RequestThrottled", "RequestTimeout", "ServiceUnavailable",
        "SlowDown", "Throttling", "ThrottlingException",
    )
)  # fmt: skip
"""Codes that speak of the moment, also where the status of HTTP does not: that of an object among many is 200."""

_OLD: Final = "the credentials are of no use any more; renew them"
_ELSEWHERE: Final = "the bucket is in another region; set AWS_DEFAULT_REGION or --s3_region_name"
_RIGHTS: Final = "check credentials and policy"
_HINTS: Final = {
    "ExpiredToken": _OLD,
    "InvalidToken": _OLD,
    "TokenRefreshRequired": _OLD,
    "301": _ELSEWHERE,
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
    "InvalidObjectState": "the object is in an archive; restore it first",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "401": _RIGHTS,
    "403": _RIGHTS,
    "AccessDenied": _RIGHTS,
}
"""What to do about a code, or else about a status of HTTP."""


@contextmanager
def asking(path: str) -> Iterator[None]:
    """Turn boto3's errors into ours: the caller's mistakes, and what may pass, as ``Broken``."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise refusal(path, error.response.get("Error", {}), status) from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise InputError(f"{path}: {error}; set AWS_ACCESS_KEY_ID … or a profile of boto3's") from None
    except exceptions.ParamValidationError as error:
        raise InputError(f"{path}: {error}") from None
    except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
        raise Broken(f"{path}: {error}", unreached=True) from error
    except (exceptions.BotoCoreError, OSError) as error:
        raise Broken(f"{path}: {type(error).__name__}: {error}") from error


def refusal(path: str, told: Mapping[str, Any], status: int) -> Exception:
    """The error that an answer of the store is: by its code, or else by its status of HTTP."""
    code, message = told.get("Code", ""), told.get("Message", "")
    if code in _NOT_THERE:
        return NoSuchFile(f"{path}: there is no such object or bucket")
    if status == 412:
        return RunFailed(f"{path}: changed while it was read (other ETag); run the command again")
    if status == 416:
        return Beyond(f"{path}: has no such bytes")
    if code in _PASSING or ranged.may_pass(status):
        return Broken(f"{path}: {code}: {message}")
    hint = _HINTS.get(code) or _HINTS.get(str(status), "is the address right?")
    return InputError(f"{path}: refused ({code}: {message}); {hint}")


class Beyond(InputError):
    """A range that begins behind the end of the object."""
