"""Three Dags for pictures: a newsletter that is not good enough, a check of campaigns, a gate that asks."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerQualityGateOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyHealthReportOperator,
    InstantlySendGateOperator,
)

NEWSLETTER = """<html><head><style>
    body {font: 16px/1.5 Georgia, serif; color: #333; max-width: 32rem; margin: 1rem auto; padding: 0 1rem}
    h1 {color: #2f6b4f} .button {background: #2f6b4f; color: #fff; padding: .5rem 1rem; border-radius: 6px}
    small {color: #888}</style></head>
<body onload="track()">
<h1>Spring is here, {firstName}</h1>
<p>The days grow longer, and our new seeds have arrived. Thirty kinds of tomatoes, old and new, wait for a
warm window sill. Order before the end of March, and delivery is FREE.</p>
<p><a class="button" href="https://example.com/spring">See the catalogue</a></p>
<p>Read <a href="https://example.com/guides/broken/tomatoes">how to sow tomatoes</a>, or ask
<a href="https://blacklisted.test/forum">other gardeners</a>. This offer is for a limited time.</p>
<img src="https://cdn.example.com/tomatoes.jpg" alt="Tomatoes" width="1400">
<img src="https://cdn.example.com/logo.png" alt="Our logo" width="240">
<img src="https://cdn.example.com/leaf.png" width="80">
<p><small>You get this mail because you are our customer.
<a href="{unsubscribe_link}">Unsubscribe</a></small></p>
<script>track()</script></body></html>"""


@dag(schedule=None, tags=["campaigns"])
def spring_newsletter() -> None:
    submit = CampaignCleanerSubmitCampaignOperator(
        task_id="submit_campaign", campaign_html=NEWSLETTER, campaign_name="Spring newsletter"
    )
    get_campaign = CampaignCleanerGetCampaignOperator(
        task_id="get_campaign",
        campaign_id=submit.output,
        wait_for_completion=True,
        poke_interval=1,
        original_html=NEWSLETTER,
        on_damage="report",
        keep_preview=True,
    )
    CampaignCleanerQualityGateOperator(
        task_id="quality_gate",
        analysis=get_campaign.output,
        max_broken_links=0,
        max_blacklisted_links=0,
        max_spam_keyword_ratio=0.1,
        max_capitals_ratio=0.1,
        max_oversized_images=2,
    )


@dag(schedule=None, tags=["campaigns"])
def morning_check() -> None:
    InstantlyHealthReportOperator(task_id="check_all")


@dag(schedule=None, tags=["campaigns"], params={"campaign_id": ""})
def spring_launch() -> None:
    may_send = InstantlySendGateOperator(
        task_id="may_send", campaign_id="{{ params.campaign_id }}", on_closed="ask", retries=2
    )

    @task
    def send() -> None:
        """Stand for what sends the mail."""

    may_send >> send()


spring_newsletter()
morning_check()
spring_launch()
