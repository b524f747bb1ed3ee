"""Which arguments of a task exclude each other, and which have an effect only beside another one."""

from __future__ import annotations

from typing import Any

EXCLUDES: dict[str, set[str]] = {
    "html_path": {"campaign_html", "html"},
    "subsequence_id": {"campaign_id"},
    "leads_path": {"leads"},
    "columns": {"leads"},
}
# An argument is refused without its partner, if the task has the partner.
PARTNERS: dict[str, dict[str, Any]] = {
    "policy": {"check_gate": True},
    "max_status_age": {"check_gate": True},
    "columns": {"leads_path": "leads.csv"},
}
