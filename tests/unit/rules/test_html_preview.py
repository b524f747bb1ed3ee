from __future__ import annotations

import json

from airflow_provider_campaigns.rules.html_preview import MAX_BYTES, preview


def test_preview_has_both_versions_and_what_they_hold() -> None:
    before = '<p>Hi {{firstName}}, <a href="https://a.test/">look</a> <img src="https://b.test/x.png"></p>'
    found = preview(before, "<p>Hi {{firstName}}, look</p>", ["link https://a.test/"])
    assert found["before"] == {
        "html": before, "is_cut": False, "bytes": len(before),
        "words": 2, "links": 1, "images": 1, "merge_tags": 1,
    }  # fmt: skip
    assert (found["after"]["links"], found["after"]["images"]) == (0, 0)
    assert found["lost"] == ["link https://a.test/"]
    assert (found["v"], found.keys()) == (1, {"v", "before", "after", "lost"})
    assert preview(None, "<p>Hi</p>", None)["before"] is None


def test_long_html_is_cut_whatever_its_characters() -> None:
    for character in ("a", "é", "\U0001f600", '"', "\ud800"):
        version = preview(None, f"<p>{character * 1_700_000}", None)["after"]
        assert version["is_cut"]
        assert MAX_BYTES // 2 < len(json.dumps(version["html"])) <= MAX_BYTES
