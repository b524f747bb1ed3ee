"""The errors that this provider raises about a service.

::

    CampaignsError
    ├── ApiError                     a call failed; the message names the call and says what to do
    │   ├── BadRequestError            400, and every other 4xx without a class of its own
    │   ├── AuthenticationError        401: the API key is wrong, revoked or missing
    │   ├── PermissionDeniedError      401 or 403: the API key is valid but lacks a permission
    │   ├── BlockedByProxyError        403 from a proxy in front of the service
    │   ├── PaymentRequiredError       402: the plan does not include the call
    │   ├── NotFoundError              404: wrong id, wrong workspace or wrong base URL
    │   ├── RedirectRefusedError       3xx: following it would send the API key elsewhere
    │   ├── RejectedError              200 with an error in the body
    │   ├── MalformedResponseError     200 that cannot be parsed, or is too large
    │   ├── RateLimitedError           429, with the wait that the service asks for
    │   ├── ServiceUnavailableError    5xx or 408
    │   ├── CertificateError           TLS: the certificate is not valid for the service
    │   ├── ConnectError               no connection: refused, or no such host; nothing was sent
    │   └── IncompleteResponseError    no complete response: connection reset, or timed out
    ├── DeadlineExceededError        a wait timed out
    ├── SubmissionUnconfirmedError   a submission got no response, and Campaign Cleaner does not list it
    ├── CampaignPausedError          Campaign Cleaner paused the campaign that a task waits for
    ├── CampaignsFailedError         some of many campaigns that a task waits for are paused, unknown or gone
    ├── UnknownStatusError           a service reports an undocumented status
    ├── NotActivatedError            Instantly accepted the activation, but the campaign is not active
    ├── NotPausedError               Instantly accepted the pause, but the campaign is still active
    ├── NotUpdatedError              Instantly accepted an update, but the campaign does not show it
    ├── BackgroundJobFailedError     a background job of Instantly failed or was cancelled
    ├── LeadsUnaccountedError        Instantly does not account for every lead, or the plan is full
    └── SendsInterruptedError        the gate closed between two batches of leads, and may open again

None of these derives from ``AirflowException``. So ``soft_fail=True`` skips a task after a timeout, and a
wrong API key still fails it. Errors that Airflow has to act on (a closed gate, a submission that must not be
repeated) derive from Airflow's own exceptions and are defined beside the tasks that raise them.

Two attributes of the class say what to do about an error:

``retryable``
    Sending the same request again may help. Whether that is safe depends on the call.
``final``
    Waiting does not help: a person has to change something first. A final error ends a wait at once; a wait
    survives other errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar


class CampaignsError(Exception):
    """Base of every error that this provider raises about a service."""

    final: ClassVar[bool] = False


class ApiError(CampaignsError):
    """A call to a service failed.

    :param message: what happened and what to do about it. It never holds an API key.
    :param status_code: the HTTP status; None without a response.
    :param retry_after: seconds that the service asks to wait; None where it does not.
    """

    retryable: ClassVar[bool] = False
    final: ClassVar[bool] = True

    def __init__(
        self, message: str, *, status_code: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.retry_after = retry_after

    def as_dict(self) -> dict[str, Any]:
        """Return the error as plain JSON values, for a trigger's event."""
        return {
            "class": type(self).__name__,
            "message": str(self),
            "status_code": self.status_code,
            "retry_after": self.retry_after,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ApiError:
        """Return the error that :meth:`as_dict` stored."""
        known = {subclass.__name__: subclass for subclass in cls.__subclasses__()}
        return known.get(stored["class"], cls)(
            stored["message"],
            status_code=stored.get("status_code"),
            retry_after=stored.get("retry_after"),
        )


class BadRequestError(ApiError):
    """The service refused the request."""


class AuthenticationError(ApiError):
    """The API key is wrong, revoked or missing."""


class PermissionDeniedError(ApiError):
    """The API key is valid but lacks a permission."""


class BlockedByProxyError(ApiError):
    """A proxy in front of the service refused the client."""


class PaymentRequiredError(ApiError):
    """The account's plan does not include this call."""


class NotFoundError(ApiError):
    """The object does not exist, or not for this account."""


class RedirectRefusedError(ApiError):
    """The service returned a redirect, which is not followed: it would send the API key elsewhere."""


class RejectedError(ApiError):
    """The service returned 200 with an error in the body."""

    final = False


class MalformedResponseError(ApiError):
    """The response cannot be parsed, or is too large."""

    final = False


class RateLimitedError(ApiError):
    """Too many requests; ``retry_after`` holds the wait that the service asks for, if any."""

    retryable = True
    final = False


class ServiceUnavailableError(ApiError):
    """The service failed on its side."""

    retryable = True
    final = False


class CertificateError(ApiError):
    """The server's TLS certificate is not valid for the service."""


class ConnectError(ApiError):
    """No connection could be made; nothing was sent."""

    retryable = True
    final = False


class IncompleteResponseError(ApiError):
    """No complete response arrived; the service may have received the request."""

    retryable = True
    final = False


class DeadlineExceededError(CampaignsError):
    """A wait timed out.

    :param status: what the last successful poll returned; None where no poll succeeded.
    :param error: the error of the last poll; None where it succeeded.
    """

    def __init__(self, *, status: Any = None, error: ApiError | None = None) -> None:
        super().__init__("the wait timed out" if error is None else str(error))
        self.status = status
        self.error = error


class CampaignPausedError(CampaignsError):
    """Campaign Cleaner reports the campaign as paused."""

    final = True


class CampaignsFailedError(CampaignsError):
    """Some of the many campaigns that a task waits for are paused, or have an unknown status, or are gone."""

    final = True


class UnknownStatusError(CampaignsError):
    """A service reports an undocumented status."""

    final = True

    @classmethod
    def of(cls, subject: str, status: str | None, documented: type[Enum]) -> UnknownStatusError:
        """Return the error of a status.

        :param subject: as in ``Instantly reports background job 17``.
        :param documented: the documented statuses.
        """
        known = ", ".join(each.value for each in documented)
        return cls(f"{subject} as {status!r}, which is not one of its documented statuses ({known}).")


class NotActivatedError(CampaignsError):
    """Instantly accepted the activation of a campaign, but the campaign is not active."""

    final = True


class NotPausedError(CampaignsError):
    """Instantly accepted the pause of a campaign, but the campaign is still active."""


class NotUpdatedError(CampaignsError):
    """Instantly accepted the update of a campaign, but the campaign does not show it."""


class BackgroundJobFailedError(CampaignsError):
    """A background job of Instantly failed or was cancelled."""

    final = True


class SubmissionUnconfirmedError(CampaignsError):
    """A submission got no response, and Campaign Cleaner does not list the campaign."""


class LeadsUnaccountedError(CampaignsError):
    """Instantly does not account for every lead of an upload, or the plan is full."""


class SendsInterruptedError(CampaignsError):
    """The gate inside a task is not open, for a reason that resolves without a person."""
