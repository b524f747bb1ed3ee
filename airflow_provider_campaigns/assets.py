"""Asset URIs of campaigns and accounts, and the checks that Airflow applies to them.

- ``campaign-cleaner://<host>/campaign/<id>``, ``instantly://<host>/campaign/<id>``: a campaign.
- ``campaign-cleaner://<host>/account/<name>``, ``instantly://<host>/account/<name>``: an account, by any name
  such as its connection id, with further segments for what is observed there, such as ``/completed``.

The host is that of the service's API. A URI never contains a key, a user or a query.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from airflow_provider_campaigns.api.values import check_opaque_id, check_uuid, is_opaque_id

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset

__all__ = [
    "CAMPAIGN_CLEANER",
    "INSTANTLY",
    "account_uri",
    "campaign_uri",
    "convert_to_openlineage",
    "sanitize_uri",
]

CAMPAIGN_CLEANER, INSTANTLY = "campaign-cleaner", "instantly"
_HOSTS = {CAMPAIGN_CLEANER: "api.campaigncleaner.com", INSTANTLY: "api.instantly.ai"}
_CAMPAIGN, _ACCOUNT = "campaign", "account"


def campaign_uri(scheme: str, campaign_id: str, *, base_url: str | None = None) -> str:
    """Return the URI of a campaign.

    :param scheme: ``"campaign-cleaner"`` or ``"instantly"``.
    :param base_url: the address of the API, where it is not the service's own.
    :raises ValueError: an argument is not valid.
    """
    return _uri(scheme, base_url, _CAMPAIGN, str(campaign_id))


def account_uri(scheme: str, account: str, *observed: str, base_url: str | None = None) -> str:
    """Return the URI of an account, for an asset of its own: ``account_uri("instantly", "sales", "health")``.

    :param scheme: ``"campaign-cleaner"`` or ``"instantly"``.
    :param account: a name of the account, such as the id of its connection.
    :param observed: what about it the asset stands for.
    :param base_url: the address of the API, where it is not the service's own.
    :raises ValueError: an argument is not valid.
    """
    return _uri(scheme, base_url, _ACCOUNT, account, *observed)


def _uri(scheme: str, base_url: str | None, *segments: str) -> str:
    if scheme not in _HOSTS:
        raise ValueError(f"scheme must be one of {', '.join(_HOSTS)}, got {scheme!r}.")
    host = urlsplit(base_url).netloc.rpartition("@")[2] if base_url else _HOSTS[scheme]
    path = "/".join(quote(segment, safe="") for segment in segments)
    return sanitize_uri(SplitResult(scheme, host, f"/{path}", "", "")).geturl()


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the one form of an asset URI of this module, with host and ids in lower case.

    :raises ValueError: it is not valid; says which forms are.
    """
    kind, *names = [unquote(segment) for segment in uri.path.removeprefix("/").split("/")]
    is_campaign = kind == _CAMPAIGN and len(names) == 1
    is_account = kind == _ACCOUNT and is_opaque_id(quote("".join(names[:1]))) and all(map(str.strip, names))
    if not uri.netloc or "@" in uri.netloc or uri.query or not (is_campaign or is_account):
        raise ValueError(
            f"An asset URI of {uri.scheme} must be {uri.scheme}://<host>/campaign/<id> or "
            f"{uri.scheme}://<host>/account/<name>, without a user or a query, got path {uri.path!r:.80}."
        )
    if is_campaign:
        check = check_uuid if uri.scheme == INSTANTLY else check_opaque_id
        names = [check(names[0], "The campaign of an asset URI").lower()]
    path = "/".join(quote(segment, safe="") for segment in (kind, *names))
    return uri._replace(netloc=uri.netloc.lower(), path=f"/{path}")


def convert_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """Return a campaign or account as OpenLineage names it."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=parts.path.removeprefix("/"))


def file_uri(path: str) -> str:
    """Return the URI of a file, without a password or a query, which may be a signature.

    :param path: a file path, or any URL that ``ObjectStoragePath`` can read.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    url = str(ObjectStoragePath(path))
    if "://" not in url:
        return Path(os.path.abspath(url)).as_uri()  # noqa: PTH100 - resolve() would follow links
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    netloc = host if ":" in user else parts.netloc
    return parts._replace(netloc=netloc, query="", fragment="").geturl()
