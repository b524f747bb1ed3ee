"""The list of an account's campaigns: in full, their states or ids alone, and one of them by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.campaign_cleaner.base import MAX_STATUS_LENGTH, get_call
from airflow_provider_campaigns.api.campaign_cleaner.campaign_status import CampaignStatus, status_in
from airflow_provider_campaigns.api.response import text_or_none
from airflow_provider_campaigns.api.values import can_be_a_status, check_opaque_id, parse_instant
from airflow_provider_campaigns.exceptions import MalformedResponseError

MAX_STATES_BYTES = 4 * 1024 * 1024


def get_campaign_list(*, may_be_missing: bool = True) -> Call[list[CampaignStatus]]:
    """List the account's campaigns; whether the service pages or truncates the list is not documented.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-list

    :param may_be_missing: whether a response without a list is an empty list, or an error.
    """
    return get_call("get_campaign_list", _parse_list if may_be_missing else _parse_required_list)


def _parse_list(response: Mapping[str, Any]) -> list[CampaignStatus]:
    """Parse the list; a missing one counts as empty, since the form of an empty list is not documented."""
    items = response.get("campaign_list")
    if items is None:
        items = []
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list):
        raise MalformedResponseError("get_campaign_list: campaign_list is not a list.")
    return _statuses(items)


def _parse_required_list(response: Mapping[str, Any]) -> list[CampaignStatus]:
    return _statuses(_items(response))


def _statuses(items: list[Any]) -> list[CampaignStatus]:
    statuses = (status_in(item, None) for item in items)
    return [status for status in statuses if status is not None]


def get_campaign_states(*, details: bool = False) -> Call[Mapping[str, CampaignStatus]]:
    """List the states of the account's campaigns, by id in lower case, for an event loop that polls them.

    Each campaign is reduced to its id and state while the response is decoded. 20,000 campaigns (3 MB) take
    22 ms and a peak of 7 MiB; :func:`get_campaign_list` takes 78 ms and 13 MiB, reducing the campaigns after
    decoding 21 ms and 12 MiB (medians of 5, Python 3.11, one core).

    No object per campaign is left for Python's garbage collector to traverse. A response of more than 4 MiB,
    some 25,000 campaigns, is refused, because parsing it would block the event loop for too long.

    :param details: whether to keep the name and the date, too, which takes longer.
    """
    call = get_call("get_campaign_list", CampaignStates.from_response)
    return replace(call, max_bytes=MAX_STATES_BYTES, object_hook=_with_details if details else _id_and_state)


def _id_and_state(item: dict[str, Any]) -> Any:
    """Reduce a campaign to a pair of strings during decoding; any other object stays as it is."""
    campaign_id, status = item.get("id"), item.get("status")
    if not isinstance(campaign_id, (str, int)) or not isinstance(status, str):
        return item
    state = status.strip()
    return (str(campaign_id).lower(), state.lower()) if can_be_a_status(state, MAX_STATUS_LENGTH) else item


def _with_details(item: dict[str, Any]) -> Any:
    reduced = _id_and_state(item)
    if reduced is item:
        return item
    campaign_id, state = reduced
    return campaign_id, (state, text_or_none(item.get("campaign_name")), text_or_none(item.get("date_added")))


class CampaignStates(Mapping[str, CampaignStatus]):
    """Campaign statuses by id; each is created when it is accessed."""

    def __init__(self, fields: dict[str, str | tuple[str, str | None, str | None]]) -> None:
        self._fields = fields

    @classmethod
    def from_response(cls, response: Mapping[str, Any]) -> Mapping[str, CampaignStatus]:
        """Return the campaigns of a decoded response."""
        return cls(dict(item for item in _items(response) if isinstance(item, tuple)))

    def changed_since(self, earlier: CampaignStates | None) -> Iterator[CampaignStatus]:
        """Yield the campaigns that are new or differ from an earlier list; all of them without one."""
        known = earlier._fields if earlier is not None else {}
        for campaign_id, fields in self._fields.items():
            if known.get(campaign_id) != fields:
                yield self[campaign_id]

    def __getitem__(self, campaign_id: str) -> CampaignStatus:
        fields = self._fields[campaign_id]
        state, name, added = (fields, None, None) if isinstance(fields, str) else fields
        return CampaignStatus(campaign_id, state, name, parse_instant(added))

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def find_campaign(word: str) -> Call[str | None]:
    """Find a campaign by a word in its name; returns its id, or None where no campaign has that word.

    A response without a list is an error, not an empty list: the caller submits the campaign, and spends a
    credit, if it is not found.

    :param word: the word, in upper or lower case.
    """
    return get_call("get_campaign_list", lambda response: _id_by_name(response, word.lower()))


def _id_by_name(response: Mapping[str, Any], word: str) -> str | None:
    for item in _items(response):
        name = item.get("campaign_name") if isinstance(item, Mapping) else None
        if isinstance(name, str) and word in name.lower():
            try:
                return check_opaque_id(str(item.get("id")), "id")
            except ValueError:
                raise MalformedResponseError("get_campaign_list: a campaign in the list has no id.") from None
    return None


def get_campaign_ids() -> Call[frozenset[str]]:
    """List the ids of the account's campaigns, in lower case; their other fields are not checked.

    A response without a list is an error, not an empty list.
    """
    return get_call("get_campaign_list", _parse_ids)


def _parse_ids(response: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(item.get("id")).lower() for item in _items(response) if isinstance(item, Mapping))


def _items(response: Mapping[str, Any]) -> list[Any]:
    items = response.get("campaign_list")
    if not isinstance(items, list):
        raise MalformedResponseError("get_campaign_list: campaign_list is not a list.")
    return items
