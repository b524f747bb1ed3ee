"""The plugin that Airflow loads. Every process imports it, so it imports nothing of a web server itself."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin

from airflow_provider_campaigns.airflow_compat import PAGES, shows_pages


class _Apps:
    """The web application, made when the API server reads it; no other process does."""

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        if not shows_pages():
            return []
        from airflow_provider_campaigns.plugin.app import create_app

        return [{"name": "Campaigns", "app": create_app(), "url_prefix": PAGES}]


class CampaignsPlugin(AirflowPlugin):
    """The pages of this provider, from Airflow 3.1 on; ``[campaigns] ui_enabled`` switches them off."""

    name = "campaigns"
    fastapi_apps: Any = _Apps()
    # Without url_route, Airflow opens the page in a tab of its own: in its frame, no link to a run works.
    # The link is relative, because the address of Airflow may have a path.
    external_views: Any = (
        [{"name": "Campaigns", "href": f"{PAGES[1:]}/", "destination": "nav", "category": "browse"}]
        if shows_pages()
        else []
    )
