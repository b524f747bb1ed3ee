"""The report on submitted HTML: every value follows from the HTML alone."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_campaigns.sandbox.campaign_cleaner.analysis import analyse


def analysed(html: str, **settings: Any) -> dict[str, Any]:
    return analyse(html, settings)


@pytest.mark.parametrize(
    ("address", "status", "broken"),
    [
        ("https://example.org/a", "200", False),
        ("mailto:a@example.org", "98", False),
        ("tel:+1234", "97", False),
        ("not a link", "99", True),
        ("/relative", "99", True),
        ("javascript:alert(1)", "99", True),
        ("http://[::1", "99", True),
        ("https://broken.test/", "404", True),
        ("https://www.broken.test/", "404", True),
        ("https://example.org/broken-page", "404", True),
        ("https://notbroken.test/", "200", False),
        ("{{unsubscribeLink}}", "200", False),
    ],
)
def test_link_status_follows_the_address(address: str, status: str, *, broken: bool) -> None:
    report = analysed(f"<a href='{address}'>x</a>")
    assert report["all_link_list"] == [
        {
            "link_url": address,
            "link_status": status,
            "link_redirected_url": "",
            "link_is_image": False,
            "link_is_broken": broken,
            "link_initial": True,
        }
    ]
    assert report["broken_links"] == int(broken)


def test_images_are_listed_as_links() -> None:
    report = analysed(
        "<img src='https://broken.test/a.png' alt='A' width='1200px'><img src='data:image/png;base64,x'>"
        "<td background='https://x.test/b.png'></td><div style=\"background: url('https://x.test/c.png')\">"
    )
    assert [(link["link_is_image"], link["link_is_broken"]) for link in report["all_link_list"]] == [
        (True, True)
    ]
    assert report["image_count"] == 2
    assert report["os_image_list"] == [report["image_list"][0]]
    assert report["image_list"][0] == {
        "image_url": "https://broken.test/a.png",
        "image_alt": "A",
        "image_width": 1200,
        "image_is_broken": True,
    }
    assert [image["image_url"] for image in report["bg_image_list"]] == [
        "https://x.test/b.png",
        "https://x.test/c.png",
    ]


def test_hosts_with_a_bad_name_are_blacklisted() -> None:
    report = analysed(
        "".join(f"<a href='https://{host}/'>" for host in ("blacklisted.test", "slow-cdn.test", "x.test"))
    )
    assert (report["blacklisted_links_found"], report["blacklisted_links"]) == (
        1,
        ["https://blacklisted.test/"],
    )
    assert (report["pd_cdns_found"], report["pd_cdn_list"]) == (1, ["slow-cdn.test"])
    assert (report["links_scanned"], report["domains_scanned"]) == (3, 3)


def test_spam_words_and_capitals_are_counted() -> None:
    report = analysed(
        "<title>NOT COUNTED</title><style>.NOT{}</style><script>NOT()</script>"
        "<p>WIN a FREE<br>prize, act now {{firstName}} don't</p>"
    )
    assert report["total_word_count"] == 7
    assert (report["all_capitalized_words"], report["all_capitalized_word_ratio"]) == (2, round(2 / 7, 4))
    assert report["spam_keyword_list"] == [
        {"keyword": "act now", "count": 1},
        {"keyword": "free", "count": 1},
    ]
    assert (report["spam_words_count"], report["spam_keyword_ratio"]) == (2, round(2 / 7, 4))


def test_empty_campaign_has_only_zeros() -> None:
    report = analysed("")
    assert (report["total_word_count"], report["all_capitalized_word_ratio"]) == (0, 0.0)
    assert (report["text_link_ratio"], report["text_image_ratio"]) == (0.0, 0.0)


def test_summary_lists_what_to_check() -> None:
    summary = {
        each["check"]: each for each in analysed("<a href='https://broken.test'>x</a>")["campaign_summary"]
    }
    assert summary["Broken links"] == {"check": "Broken links", "count": 1, "passed": False}
    assert summary["Spam words"]["passed"] is True


def test_relative_links_are_resolved_with_a_base_url() -> None:
    html = "<a href='a'>x</a><a href='http://[::1'>y</a><a href='{{url}}'>z</a>"
    report = analysed(html, relative_links_base_url="https://x.test/")
    found = [link["link_url"] for link in report["all_link_list"]]
    assert found == ["https://x.test/a", "http://[::1", "{{url}}"]
