"""What goes wrong with a service, as one tree.

::

    CampaignsError
    ├── ApiError                     a call failed; says which call, and what to do
    │   ├── BadRequestError            400 and every other 4xx without a class of its own
    │   ├── AuthenticationError        401: the key is wrong, revoked or missing
    │   ├── PermissionDeniedError      401 or 403: the key is right and may not do this
    │   ├── BlockedAtEdgeError         403 that the service's front door wrote, not the service
    │   ├── PaymentRequiredError       402: the plan does not include this
    │   ├── NotFoundError              404: wrong id, wrong workspace or wrong base URL
    │   ├── RedirectRefusedError       3xx: a key does not follow a redirect
    │   ├── RejectedError              200 with an error inside
    │   ├── MalformedAnswerError       200 that cannot be read, or is too large
    │   ├── RateLimitedError           429, with how long the service asks to wait
    │   ├── ServiceUnavailableError    5xx or 408
    │   ├── UntrustedServerError       TLS: the certificate is not the service's
    │   ├── NotConnectedError          no connection: refused, no such host; nothing was sent
    │   └── UnreachableError           no complete answer: reset, or too slow
    ├── DeadlinePassedError          a wait ran out while the service was failing
    ├── SubmissionLostError          a submission was not answered, and Campaign Cleaner does not list it
    ├── CampaignPausedError          Campaign Cleaner paused the campaign that was waited for
    ├── UnknownStatusError           a service reports a state that nobody has described
    ├── NotActivatedError            Instantly took the activation, and the campaign is not active
    ├── NotPausedError               Instantly took the pause, and the campaign is still active
    ├── NotUpdatedError              Instantly took an update, and the campaign does not show it
    ├── BackgroundJobFailedError     a background job of Instantly's failed or was cancelled
    ├── LeadsNotTakenError           Instantly took a batch of leads, and not all that is in it
    └── SendsInterruptedError        the gate closed between two batches of leads, and may open by itself

None of these is an ``AirflowException``: ``soft_fail`` turns a wait that ran out into a skip, never a bad
key. What Airflow has to act on (a gate that is closed, a submission that must not be repeated) derives from
Airflow's own exceptions and stands with the operator that raises it.

Two questions are asked of an error, and its class answers them:

``retryable``
    Is the same request worth sending again, a moment later? (Whether it is *safe* is the call's affair.)
``final``
    Will no amount of waiting help? A wait ends at once on a final error and survives a single other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class CampaignsError(Exception):
    """Base of everything that this provider raises about a service."""

    final: ClassVar[bool] = False


class ApiError(CampaignsError):
    """A call to a service failed.

    :param message: what happened and what to do about it, for a person. Never holds a key.
    :param status_code: the HTTP status, where there was an answer.
    :param retry_after: seconds that the service asked to be left alone, where it did.
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
        """Return the error as plain JSON values, to travel in a trigger's event."""
        return {
            "class": type(self).__name__,
            "message": str(self),
            "status_code": self.status_code,
            "retry_after": self.retry_after,
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> ApiError:
        """Return the error that :meth:`as_dict` described."""
        known = {subclass.__name__: subclass for subclass in cls.__subclasses__()}
        return known.get(described["class"], cls)(
            described["message"],
            status_code=described.get("status_code"),
            retry_after=described.get("retry_after"),
        )


class BadRequestError(ApiError):
    """The service refused the request as it was written."""


class AuthenticationError(ApiError):
    """The service does not know the key."""


class PermissionDeniedError(ApiError):
    """The service knows the key, and the key may not do this."""


class BlockedAtEdgeError(ApiError):
    """A proxy in front of the service refused the client before the service saw it."""


class PaymentRequiredError(ApiError):
    """The account's plan does not include this call."""


class NotFoundError(ApiError):
    """The service knows no such thing, or not for this account."""


class RedirectRefusedError(ApiError):
    """The service answered with a redirect, which is not followed: the key would travel along."""


class RejectedError(ApiError):
    """The service answered 200 and described an error in the body."""

    final = False


class MalformedAnswerError(ApiError):
    """The answer cannot be read as what was asked for."""

    final = False


class RateLimitedError(ApiError):
    """Too many requests; ``retry_after`` holds what the service asked for, if it did."""

    retryable = True
    final = False


class ServiceUnavailableError(ApiError):
    """The service failed on its side."""

    retryable = True
    final = False


class UntrustedServerError(ApiError):
    """The server could not prove, by its certificate, that it is the service."""


class NotConnectedError(ApiError):
    """No connection came about, so that nothing was sent."""

    retryable = True
    final = False


class UnreachableError(ApiError):
    """No complete answer came; the service may have got the request."""

    retryable = True
    final = False


class DeadlinePassedError(CampaignsError):
    """A wait reached its deadline while its looks were failing."""


class CampaignPausedError(CampaignsError):
    """Campaign Cleaner reports the campaign as paused; who pauses and resumes is not documented."""

    final = True


class UnknownStatusError(CampaignsError):
    """A service reports a state outside the documented ones."""

    final = True


class NotActivatedError(CampaignsError):
    """A campaign is not active although its activation was accepted."""

    final = True


class NotPausedError(CampaignsError):
    """A campaign is still active although its pause was accepted."""


class NotUpdatedError(CampaignsError):
    """A campaign does not show what an accepted update wrote."""


class BackgroundJobFailedError(CampaignsError):
    """A background job ended, and not well."""

    final = True


class SubmissionLostError(CampaignsError):
    """Campaign Cleaner may have taken a campaign without saying so, and does not list it now."""


class LeadsNotTakenError(CampaignsError):
    """Instantly does not say what became of some leads of a batch, as where the plan has no room for them."""


class SendsInterruptedError(CampaignsError):
    """A campaign became unfit to send while leads were being added, for a reason that heals by itself."""
