"""What Airflow discovers of this provider, as plain data. Imports nothing: discovery costs nothing."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider info, valid against Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-campaigns",
        "name": "Campaigns",
        "description": (
            "Joins `Campaign Cleaner <https://campaigncleaner.com/>`__, which repairs and analyses a "
            "campaign's HTML, and `Instantly <https://instantly.ai/>`__, which sends it, into one pipeline."
        ),
        "integrations": [
            {
                "integration-name": "Campaign Cleaner",
                "external-doc-url": "https://docs.campaigncleaner.com/",
                "tags": ["service"],
            },
            {
                "integration-name": "Instantly",
                "external-doc-url": "https://developer.instantly.ai/",
                "tags": ["service"],
            },
        ],
        "hooks": _modules("hooks", "campaign_cleaner", "instantly"),
        "operators": _modules("operators", "campaign_cleaner", "instantly"),
        "sensors": _modules("sensors", "campaign_cleaner", "instantly"),
        "triggers": _modules("triggers", "campaign_cleaner", "instantly", "watchers"),
        "task-decorators": [
            {"name": "send_gate", "class-name": "airflow_provider_campaigns.decorators.send_gate_task"},
        ],
        "notifications": ["airflow_provider_campaigns.notifications.InstantlyPauseCampaignNotifier"],
        "extra-links": [
            "airflow_provider_campaigns.links.CampaignCleanerLink",
            "airflow_provider_campaigns.links.CleaningReportLink",
            "airflow_provider_campaigns.links.InstantlyCampaignLink",
        ],
        "asset-uris": [_ASSET_URIS],
        "dataset-uris": [_ASSET_URIS],
        "plugins": [
            {
                "name": "campaigns",
                "plugin-class": "airflow_provider_campaigns.plugin.campaigns.CampaignsPlugin",
            },
        ],
        "config": {
            "campaigns": {
                "description": "The pages of the provider airflow-provider-campaigns.",
                "options": {
                    "ui_enabled": {
                        "description": (
                            "Whether Airflow (3.1 and later) shows the cleaning report of a campaign and the "
                            "health board."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    }
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "campaign_cleaner",
                "hook-class-name": "airflow_provider_campaigns.hooks.campaign_cleaner.CampaignCleanerHook",
                "hook-name": "Campaign Cleaner",
                "ui-field-behaviour": _field_behaviour("https://api.campaigncleaner.com"),
                "conn-fields": _LIMITS,
            },
            {
                "connection-type": "instantly",
                "hook-class-name": "airflow_provider_campaigns.hooks.instantly.InstantlyHook",
                "hook-name": "Instantly",
                "ui-field-behaviour": _field_behaviour("https://api.instantly.ai"),
                "conn-fields": {**_LIMITS, **_WORKSPACE},
            },
        ],
    }


# A module belongs to one integration; that of the watchers has triggers for both.
_INTEGRATIONS = {
    "campaign_cleaner": "Campaign Cleaner",
    "instantly": "Instantly",
    "watchers": "Instantly",
}

_ASSET_URIS: dict[str, Any] = {
    "schemes": ["campaign-cleaner", "instantly"],
    "handler": "airflow_provider_campaigns.assets.sanitize_uri",
    "to_openlineage_converter": "airflow_provider_campaigns.assets.convert_to_openlineage",
}

_LIMITS: dict[str, Any] = {
    "timeout": {
        "label": "Timeout (seconds)",
        "description": "How long to wait for the response to one request. Default: 30.",
        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
    },
    "max_requests_per_second": {
        "label": "Requests per second",
        "description": "The most requests that one Airflow process sends to this account. Default: 10.",
        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
    },
}

_WORKSPACE: dict[str, Any] = {
    "workspace_id": {
        "label": "Workspace ID",
        "description": "With the key of a workspace group's admin workspace: the member workspace to act on.",
        "schema": {"type": ["string", "null"]},
    },
}


def _modules(kind: str, *names: str) -> list[dict[str, Any]]:
    return [
        {
            "integration-name": _INTEGRATIONS[name],
            "python-modules": [f"airflow_provider_campaigns.{kind}.{name}"],
        }
        for name in names
    ]


def _field_behaviour(base_url: str) -> dict[str, Any]:
    """Return the standard fields of the form: a key, and a base URL, which is rarely set."""
    return {
        "hidden-fields": ["schema", "login", "port", "extra"],
        "relabeling": {"password": "API key", "host": "Base URL (optional)"},
        "placeholders": {"host": base_url},
    }
