"""Campaign Cleaner: every call as a function, every answer as a frozen dataclass.

The service answers 200 for success and failure alike, so each parser asks for an ``error`` first. Where the
vendor's pages contradict each other about the place of a value, every place is looked at, the best-attested
one first. Vendor pages: https://docs.campaigncleaner.com/api-reference/introduction
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import Enum
from typing import Any, Literal, TypeVar

from airflow_provider_campaigns.api.call import Call, Service
from airflow_provider_campaigns.api.response import (
    Response,
    as_object,
    decode_json,
    describe_error,
    printable,
    text_or_none,
)
from airflow_provider_campaigns.api.values import check_opaque_id, number_or_none, parse_instant
from airflow_provider_campaigns.exceptions import MalformedResponseError, RejectedError

T = TypeVar("T")

SERVICE = Service(
    title="Campaign Cleaner", base_url="https://api.campaigncleaner.com", key_header="X-CC-API-Key"
)
MAX_CUSTOM_INFO = 500
MAX_STATUS_LENGTH = 100
MAX_STATUS_BYTES = 1024 * 1024
MAX_STATES_BYTES = 4 * 1024 * 1024
MAX_PDF_BYTES = 64 * 1024 * 1024


class CampaignState(str, Enum):
    """The three states that the vendor documents. There is no failed state."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    PAUSED = "paused"


class InboxTestState(str, Enum):
    """The two states of an inbox test; capitalised by the vendor, read here whatever their case."""

    PROCESSING = "processing"
    COMPLETED = "completed"


@dataclass(frozen=True)
class CampaignStatus:
    """How far a campaign is.

    :param id: the campaign's id.
    :param status: the state as the service wrote it, in lower case; see :attr:`state`.
    :param campaign_name: the name it was submitted under.
    :param date_added: when it was submitted, in UTC; None where the answer has no readable time.
    :param raw: what the service said of it; empty where only the state was asked for.
    """

    id: str
    status: str
    campaign_name: str | None = None
    date_added: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def state(self) -> CampaignState | None:
        """The state as one of the documented three, or None where it is another."""
        try:
            return CampaignState(self.status)
        except ValueError:
            return None


@dataclass(frozen=True)
class Campaign:
    """A processed campaign: the cleaned HTML, and everything that the service said about it.

    :param id: the campaign's id.
    :param html: the cleaned HTML; None where the answer holds none.
    :param analysis: the whole answer, the HTML left out.
    """

    id: str
    html: str | None = field(repr=False)
    analysis: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class SurroundingDiv:
    """A box around the whole campaign.

    :param max_width: in pixels.
    :param text_align: ``"left"``, ``"center"`` or ``"right"``.
    :param font_size: in pixels.
    :param center_to_parent: put the box into the middle of what surrounds it.
    """

    max_width: int | None = None
    text_align: Literal["left", "center", "right"] | None = None
    font_size: int | None = None
    center_to_parent: bool | None = None


@dataclass(frozen=True, kw_only=True)
class CampaignSettings:
    """What Campaign Cleaner does to a campaign's HTML; what is None is left to the service's own default.

    The vendor documents only some of these; the others are named as its other clients name them. An option
    that is not here goes into ``more``, under the vendor's name.

    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param adjust_font_colors: nudge colours that trip spam filters to a near twin. The service's default: on.
    :param adjust_font_size: keep font sizes within the two bounds below. Default: on.
    :param min_font_size_allowed: in pixels. Default: 10.
    :param max_font_size_allowed: in pixels. Default: 32.
    :param convert_h_to_p_tags: turn headings into paragraphs of the same size. Default: off.
    :param convert_tables_to_divs: experimental. Default: off.
    :param inline_css: move CSS into the elements. Default: on.
    :param inline_css_important: mark inlined CSS as important. Default: off.
    :param preserve_media_queries: keep media queries. Default: on.
    :param media_queries_important: mark them as important. Default: on.
    :param remove_css_inheritance: drop CSS that a child inherits anyway. Default: on.
    :param remove_classes_and_ids: drop ``class`` and ``id`` once CSS is inlined. Default: on.
    :param remove_comments: drop HTML and CSS comments. Default: on.
    :param remove_control_non_printable: drop control characters. Default: on.
    :param remove_successive_punctuation: make one character of ``!!!!``. Default: off.
    :param replace_diacritics: put plain letters for accented ones. Default: on, which harms text that is not
        English.
    :param replace_non_ascii_characters: put look-alikes for what is not ASCII. Default: on, as harmful.
    :param remove_image_height: drop the heights of images. Default: off.
    :param image_max_width: a maximum width for all images, in pixels. The service's clients disagree about
        the option's name; should this one have no effect, put ``set_image_max_width`` into ``more`` instead.
    :param remove_large_widths_over: experimental: drop larger widths outside images and tables, in pixels.
    :param resize_and_host: resize images and host them with the vendor. Default: off.
    :param host_extensionless_images: also those without a file extension. Default: off.
    :param relative_links_base_url: makes relative links absolute.
    :param surrounding_div: a box around it all.
    :param minify_html: squeeze the HTML; known from one older client.
    :param treat_as_fragment: keep only the inside of the body; known from one older client.
    :param more: further options, by the vendor's names.
    """

    adjust_font_colors: bool | None = None
    adjust_font_size: bool | None = None
    min_font_size_allowed: int | None = None
    max_font_size_allowed: int | None = None
    convert_h_to_p_tags: bool | None = None
    convert_tables_to_divs: bool | None = None
    inline_css: bool | None = None
    inline_css_important: bool | None = None
    preserve_media_queries: bool | None = None
    media_queries_important: bool | None = None
    remove_css_inheritance: bool | None = None
    remove_classes_and_ids: bool | None = None
    remove_comments: bool | None = None
    remove_control_non_printable: bool | None = None
    remove_successive_punctuation: bool | None = None
    replace_diacritics: bool | None = None
    replace_non_ascii_characters: bool | None = None
    remove_image_height: bool | None = None
    image_max_width: int | None = None
    remove_large_widths_over: int | None = None
    resize_and_host: bool | None = None
    host_extensionless_images: bool | None = None
    relative_links_base_url: str | None = None
    surrounding_div: SurroundingDiv | Mapping[str, Any] | None = None
    minify_html: bool | None = None
    treat_as_fragment: bool | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        :raises ValueError: names the setting.
        """
        if twice := sorted(set(self.more) & set(self._own())):
            raise ValueError(f"settings.more must not hold {', '.join(twice)}: it is set already.")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as the service takes them; those that are None are left out."""
        return _set({**self._own(), **self.more})

    def _own(self) -> dict[str, Any]:
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "more"}
        if self.surrounding_div is not None:
            div = self.surrounding_div
            own["surrounding_div"] = _set(div if isinstance(div, Mapping) else asdict(div))
        return _set(own)


@dataclass(frozen=True)
class InboxTest:
    """An inbox test that was created: mail your campaign to these addresses.

    :param job_id: identifies the test.
    :param send_to: the seed addresses; empty where the answer names none that can be read.
    :param raw: the whole answer.
    """

    job_id: str
    send_to: tuple[str, ...]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class InboxTestResults:
    """Where the mails of an inbox test have landed so far; a count that the answer does not hold is None.

    :param job_id: identifies the test.
    :param status: in lower case; see :class:`InboxTestState`.
    :param test_name: its name.
    :param total_seeds: mailboxes in the test.
    :param received: of those, how many the mail has reached.
    :param inbox: how many in the inbox.
    :param spam: how many in the spam folder.
    :param pending: how many the mail has not reached yet.
    :param unknown_placement: how many it reached, nobody knows where.
    :param inbox_rate: percent of all seeds.
    :param spam_rate: percent of all seeds.
    :param results: one for each seed, as the service wrote it.
    :param raw: the whole answer.
    """

    job_id: str
    status: str
    test_name: str | None
    total_seeds: float | None
    received: float | None
    inbox: float | None
    spam: float | None
    pending: float | None
    unknown_placement: float | None
    inbox_rate: float | None
    spam_rate: float | None
    results: tuple[Mapping[str, Any], ...] = field(repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


def send_campaign(
    campaign_html: str,
    campaign_name: str,
    *,
    custom_info: str | None = None,
    webhook_url: str | None = None,
    settings: CampaignSettings | Mapping[str, Any] | None = None,
) -> Call[str]:
    """Submit HTML for cleaning and analysis; gives the new campaign's id.

    Spends a credit, mails nobody, and knows no idempotency key: it is not idempotent.
    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param campaign_html: the complete HTML.
    :param campaign_name: the name to submit it under.
    :param custom_info: free text, at most 500 characters, that comes back with the result.
    :param webhook_url: absolute URL that receives the result.
    :param settings: what to do to the HTML, as :class:`CampaignSettings` or as a mapping with the vendor's
        names; what is None is left out, so that the service's own default applies.
    :raises ValueError: an argument cannot be sent as it is.
    """
    if not text_or_none(campaign_html):
        raise ValueError("campaign_html must hold the campaign's HTML, and it is empty.")
    if not text_or_none(campaign_name):
        raise ValueError("campaign_name must not be empty.")
    for name, text in (("custom_info", custom_info), ("webhook_url", webhook_url)):
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{name} must be a text, got {text!r}.")
    if custom_info is not None and len(custom_info) > MAX_CUSTOM_INFO:
        raise ValueError(
            f"custom_info may have {MAX_CUSTOM_INFO} characters at most, and has {len(custom_info)}."
        )
    if webhook_url is not None and not webhook_url.startswith(("https://", "http://")):
        raise ValueError(f"webhook_url must be an absolute URL, got {webhook_url!r}.")
    fixed = {
        "campaign_html": campaign_html,
        "campaign_name": campaign_name,
        "custom_info": custom_info,
        "webhook_url": webhook_url,
    }
    chosen = _settings_of(settings)
    if twice := sorted(fixed.keys() & chosen.keys()):
        raise ValueError(f"settings must not hold {', '.join(twice)}: each has an argument of its own.")
    return _post(
        "send_campaign",
        {"send_campaign": _set({**chosen, **fixed})},
        _submitted_id,
        idempotent=False,
    )


def _settings_of(settings: CampaignSettings | Mapping[str, Any] | None) -> Mapping[str, Any]:
    chosen = settings.as_dict() if isinstance(settings, CampaignSettings) else settings or {}
    if not isinstance(chosen, Mapping):
        raise ValueError(f"settings must be CampaignSettings or a mapping, got {settings!r}.")
    chosen = _set(chosen)
    if {"image_max_width", "set_image_max_width"} <= chosen.keys():
        raise ValueError("settings must hold image_max_width or set_image_max_width, not both.")
    try:
        json.dumps(dict(chosen), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"settings cannot be sent as JSON: {error}") from None
    return chosen


def get_campaign_status(campaign_id: str) -> Call[CampaignStatus]:
    """Ask how far a campaign is.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :raises ValueError: the id cannot be one.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    call = _post(
        "get_campaign_status",
        {"campaign": {"id": campaign_id}},
        lambda payload: _status_of(payload, campaign_id),
    )
    return replace(call, max_bytes=MAX_STATUS_BYTES)


def get_campaign(campaign_id: str, *, minimize_html: bool = True) -> Call[Campaign]:
    """Fetch the cleaned HTML and the analysis of a completed campaign.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign

    :param minimize_html: let the service squeeze the white space out of the HTML.
    :raises ValueError: the id cannot be one.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    return _post(
        "get_campaign",
        {"campaign": {"id": campaign_id, "minimize_html": minimize_html}},
        lambda payload: _result_of(payload, campaign_id),
    )


def get_campaign_list() -> Call[list[CampaignStatus]]:
    """List the account's campaigns; whether the service pages or cuts the list is not documented.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-list
    """
    return _get("get_campaign_list", _listed)


def get_campaign_states() -> Call[Mapping[str, CampaignStatus]]:
    """List the account's campaigns for their states alone, by id in lower case, as cheaply as can be.

    An answer of more than 4 MiB, some 25,000 campaigns, is not read: it would hold up an event loop. So would
    thousands of objects that Python's garbage collector has to look through: id and state are all that is
    kept of each campaign.
    """
    call = _get("get_campaign_list", _States.of)
    return replace(call, max_bytes=MAX_STATES_BYTES, object_hook=_id_and_state)


def find_campaign(word: str) -> Call[str | None]:
    """Look for a campaign by a word in its name; gives its id, or None where no campaign has it.

    An answer that holds no list is an error here, and not an empty list: whoever asks is about to spend a
    credit because nothing was found.

    :param word: looked for whatever its case.
    """
    return _get("get_campaign_list", lambda answer: _named(answer, word.lower()))


def get_campaign_ids() -> Call[frozenset[str]]:
    """List the ids of the account's campaigns, in lower case, whatever else the list says of them.

    An answer that holds no list is an error here, and not an empty list.
    """
    return _get("get_campaign_list", _ids)


def get_credits() -> Call[int]:
    """Ask for the number of credits left.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-credits
    """
    return _get("get_credits", _credits)


def get_campaign_pdf_analysis(campaign_id: str) -> Call[bytes]:
    """Fetch the analysis of a completed campaign as a PDF.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-pdf-analysis

    :raises ValueError: the id cannot be one.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    return Call(
        SERVICE,
        "POST",
        "/v1/get_campaign_pdf_analysis",
        _pdf,
        body={"campaign": {"id": campaign_id}},
        idempotent=True,
        max_bytes=MAX_PDF_BYTES,
        binary=True,
    )


def delete_campaign(campaign_id: str) -> Call[None]:
    """Delete a campaign, for good. What comes of deleting one twice is not documented: it is not idempotent.

    https://docs.campaigncleaner.com/api-reference/endpoint/delete-campaign

    :raises ValueError: the id cannot be one.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    return _post("delete_campaign", {"campaign": {"id": campaign_id}}, _deleted, idempotent=False)


def create_inbox_test(test_name: str | None = None, **options: Any) -> Call[InboxTest]:
    """Create an inbox test. What it takes, and whether it costs a credit, is not documented.

    https://docs.campaigncleaner.com/api-reference/endpoint/create-inbox-test

    :param test_name: a name for the test.
    :param options: whatever else the service takes, by the vendor's names.
    """
    return _post(
        "create_inbox_test", _set({"test_name": test_name, **options}), _inbox_test, idempotent=False
    )


def get_inbox_test_results(job_id: str) -> Call[InboxTestResults]:
    """Ask where the mails of an inbox test have landed so far.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-inbox-test-results

    :raises ValueError: the id cannot be one.
    """
    job_id = check_opaque_id(job_id, "job_id")
    call = _post("get_inbox_test_results", {"job_id": job_id}, lambda answer: _inbox_results(answer, job_id))
    return replace(call, max_bytes=MAX_STATUS_BYTES)


def _set(members: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None."""
    return {name: value for name, value in members.items() if value is not None}


def _get(name: str, parse: Callable[[Mapping[str, Any]], T]) -> Call[T]:
    return Call(SERVICE, "GET", f"/v1/{name}", _unless_rejected(name, parse), idempotent=True)


def _post(
    name: str, body: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], T], *, idempotent: bool = True
) -> Call[T]:
    return Call(
        SERVICE, "POST", f"/v1/{name}", _unless_rejected(name, parse), body=body, idempotent=idempotent
    )


def _unless_rejected(name: str, parse: Callable[[Mapping[str, Any]], T]) -> Callable[[Any], T]:
    """Refuse a body that describes an error, in any spelling, before it is read as an answer."""

    def parse_answer(payload: Any) -> T:
        answer = as_object(payload, name)
        for member, value in answer.items():
            if member.lower() == "error" and value:
                if _campaign_id_in(answer):
                    raise MalformedResponseError(f"{name}: the answer holds both a campaign and an error.")
                raise RejectedError(
                    f"Campaign Cleaner refused {name}: {describe_error(answer) or printable(repr(value))}",
                    status_code=200,
                )
        return parse(answer)

    return parse_answer


def _campaign_id_in(answer: Mapping[str, Any]) -> Any:
    campaign = answer.get("campaign")
    return campaign.get("id") if isinstance(campaign, Mapping) else None


def _submitted_id(answer: Mapping[str, Any]) -> str:
    try:
        return check_opaque_id(str(_campaign_id_in(answer)), "campaign.id")
    except ValueError:
        raise MalformedResponseError("send_campaign: the answer holds no campaign.id.") from None


def _status_of(answer: Mapping[str, Any], campaign_id: str) -> CampaignStatus:
    listed = answer.get("campaign_list")
    if isinstance(listed, list):
        listed = next((item for item in listed if _is_about(item, campaign_id)), None)
    for place in (answer.get("campaign_status"), listed, answer.get("campaign"), answer):
        status = _status_in(place, campaign_id)
        if status is None:
            continue
        if status.id.lower() != campaign_id.lower():
            raise MalformedResponseError(
                f"get_campaign_status: asked about campaign {campaign_id}, got an answer about "
                f"{printable(status.id)}."
            )
        return status
    raise MalformedResponseError("get_campaign_status: the answer holds no status.")


def _is_about(item: Any, campaign_id: str) -> bool:
    return isinstance(item, Mapping) and str(item.get("id")).lower() == campaign_id.lower()


def _status_in(place: Any, campaign_id: str | None) -> CampaignStatus | None:
    """Read the four fields of a status; an answer that names no id is taken to be about the one asked for."""
    if not isinstance(place, Mapping):
        return None
    status = text_or_none(place.get("status"))
    found = place.get("id", campaign_id)
    if status is None or not _can_be_a_state(status) or not isinstance(found, (str, int)):
        return None
    return CampaignStatus(
        id=str(found),
        status=status.lower(),
        campaign_name=text_or_none(place.get("campaign_name")),
        date_added=parse_instant(place.get("date_added")),
        raw=place,
    )


def _result_of(answer: Mapping[str, Any], campaign_id: str) -> Campaign:
    result = answer.get("campaign", answer)
    if not isinstance(result, Mapping) or not result or (result is answer and "campaign_html" not in answer):
        raise MalformedResponseError("get_campaign: the answer holds no campaign.")
    for member in ("campaign_id", "id"):
        if result.get(member) and str(result[member]).lower() != campaign_id.lower():
            raise MalformedResponseError(
                f"get_campaign: asked for campaign {campaign_id}, got campaign "
                f"{printable(str(result[member]))}."
            )
    html = result.get("campaign_html")
    return Campaign(
        id=campaign_id,
        html=html if isinstance(html, str) and html else None,
        analysis={name: value for name, value in result.items() if name != "campaign_html"},
    )


def _listed(answer: Mapping[str, Any]) -> list[CampaignStatus]:
    """Read the list; a missing one counts as empty, since how the service writes that is not documented."""
    items = answer.get("campaign_list")
    if items is None:
        items = []
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list):
        raise MalformedResponseError("get_campaign_list: campaign_list is not a list.")
    statuses = (_status_in(item, None) for item in items)
    return [status for status in statuses if status is not None]


def _id_and_state(item: dict[str, Any]) -> Any:
    """Make a pair of texts of a campaign, and leave any other object as it is."""
    campaign_id, status = item.get("id"), item.get("status")
    if isinstance(campaign_id, (str, int)) and isinstance(status, str) and _can_be_a_state(status.strip()):
        return str(campaign_id).lower(), status.strip().lower()
    return item


def _can_be_a_state(status: str) -> bool:
    """Tell whether a text may be a state that nobody has described, rather than something else."""
    return 0 < len(status) <= MAX_STATUS_LENGTH and status.isprintable()


class _States(Mapping[str, CampaignStatus]):
    """States by id, of which one is made when it is asked for."""

    def __init__(self, states: dict[str, str]) -> None:
        self._states = states

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Mapping[str, CampaignStatus]:
        return cls(dict(item for item in _items(answer) if isinstance(item, tuple)))

    def __getitem__(self, campaign_id: str) -> CampaignStatus:
        return CampaignStatus(campaign_id, self._states[campaign_id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


def _named(answer: Mapping[str, Any], word: str) -> str | None:
    for item in _items(answer):
        name = item.get("campaign_name") if isinstance(item, Mapping) else None
        if isinstance(name, str) and word in name.lower():
            try:
                return check_opaque_id(str(item.get("id")), "id")
            except ValueError:
                raise MalformedResponseError("get_campaign_list: a campaign in the list has no id.") from None
    return None


def _ids(answer: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(item.get("id")).lower() for item in _items(answer) if isinstance(item, Mapping))


def _items(answer: Mapping[str, Any]) -> list[Any]:
    items = answer.get("campaign_list")
    if not isinstance(items, list):
        raise MalformedResponseError("get_campaign_list: campaign_list is not a list.")
    return items


def _credits(answer: Mapping[str, Any]) -> int:
    lowered = {name.lower(): value for name, value in answer.items()}
    try:
        return int(float(lowered["credits"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise MalformedResponseError("get_credits: the answer holds no number of credits.") from None


def _pdf(answer: Response) -> bytes:
    """Take a body for a PDF only if it says that it is one and starts like one."""
    says_so = "pdf" in answer.headers.get("content-type", "").lower()
    if says_so and answer.body.lstrip()[:5] == b"%PDF-":
        return answer.body
    try:
        payload = decode_json(answer.body)
    except (ValueError, RecursionError):
        payload = None
    if isinstance(payload, Mapping):
        _unless_rejected("get_campaign_pdf_analysis", lambda answer: answer)(payload)
    raise MalformedResponseError(
        "get_campaign_pdf_analysis: the answer is not a PDF. Is the campaign completed?"
    )


def _deleted(answer: Mapping[str, Any]) -> None:
    status = text_or_none(answer.get("status"))
    if status is None:
        raise MalformedResponseError("delete_campaign: the answer does not say what came of it.")
    if status.lower() != "success":
        raise RejectedError(
            f"Campaign Cleaner did not delete the campaign: {describe_error(answer) or printable(status)}",
            status_code=200,
        )


def _inbox_test(answer: Mapping[str, Any]) -> InboxTest:
    for place in (answer, *(value for value in answer.values() if isinstance(value, Mapping))):
        try:
            job_id = check_opaque_id(str(place["job_id"]), "job_id")
        except (KeyError, ValueError):
            continue
        return InboxTest(job_id, _addresses(place.get("send_to")), raw=answer)
    raise MalformedResponseError("create_inbox_test: the answer holds no job_id.")


def _addresses(send_to: Any) -> tuple[str, ...]:
    """Read the seed addresses, which may be a list, a text with separators, or objects."""
    if isinstance(send_to, str):
        send_to = re.split(r"[,;\s]+", send_to)
    if not isinstance(send_to, list):
        return ()
    found = [
        next((str(value) for value in each.values() if "@" in str(value)), "")
        if isinstance(each, Mapping)
        else str(each)
        for each in send_to
    ]
    return tuple(address for address in found if "@" in address)


def _inbox_results(answer: Mapping[str, Any], job_id: str) -> InboxTestResults:
    told = text_or_none(answer.get("status"))
    if told is None or not _can_be_a_state(told):
        raise MalformedResponseError("get_inbox_test_results: the answer holds no status.")
    if answer.get("job_id") is not None and str(answer["job_id"]).lower() != job_id.lower():
        raise MalformedResponseError(
            f"get_inbox_test_results: asked about test {job_id}, got test {printable(str(answer['job_id']))}."
        )
    summary = answer.get("summary")
    counts = summary if isinstance(summary, Mapping) else {}
    results = answer.get("results")
    return InboxTestResults(
        job_id=job_id,
        status=told.lower(),
        test_name=text_or_none(answer.get("test_name")),
        **{name: number_or_none(counts.get(name)) for name in _SEED_COUNTS},
        results=tuple(each for each in results if isinstance(each, Mapping))
        if isinstance(results, list)
        else (),
        raw=answer,
    )


_SEED_COUNTS = (
    "total_seeds",
    "received",
    "inbox",
    "spam",
    "pending",
    "unknown_placement",
    "inbox_rate",
    "spam_rate",
)
