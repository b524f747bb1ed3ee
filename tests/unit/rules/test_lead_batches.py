"""Leads in batches: which leads a batch holds, whether they changed, and how many are in memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.rules.lead_files import Lead, check_leads, from_file, from_sequence


def leads(count: int) -> list[Lead]:
    return [{"email": f"lead{number}@example.com"} for number in range(count)]


class TestBatches:
    @given(st.integers(1, 300), st.integers(0, 320), st.integers(1, 120))
    def test_batches_together_are_the_leads(self, count: int, after: int, size: int) -> None:
        batches = list(check_leads(lambda: iter(leads(count))).batches(after=after, size=size))
        assert [lead for batch in batches for lead in batch] == leads(count)[after:]
        assert all(len(batch) == size for batch in batches[:-1])
        assert all(1 <= len(batch) <= size for batch in batches)

    def test_file_replaced_while_it_is_sent_is_an_error(self) -> None:
        readings = iter([["a@b.c"], ["d@e.f", "g@h.i"]])
        leads = check_leads(lambda: from_sequence([{"email": email} for email in next(readings)]))
        with pytest.raises(ValueError, match="changed") as raised:
            list(leads.batches())
        assert str(raised.value) == (
            "The leads changed between being checked (1 of them) and being sent (2). "
            "Do not replace a file while it is being sent."
        )


some_leads = st.lists(
    st.fixed_dictionaries({"email": st.sampled_from(["a@b.c", "d@e.f"])}, optional={"phone": st.text()}),
    min_size=1,
    max_size=4,
)


class TestFingerprint:
    @given(some_leads, some_leads)
    def test_fingerprint_depends_on_the_leads_and_their_order(
        self, some: list[Lead], others: list[Lead]
    ) -> None:
        same = check_leads(lambda: iter(some)).fingerprint == check_leads(lambda: iter(others)).fingerprint
        assert same == (some == others)

    def test_fingerprint_ignores_field_order_and_source(self) -> None:
        from_a_file = check_leads(
            lambda: from_file(lambda: io.StringIO("email,phone\na@b.c,5\n"), "leads.csv", "csv")
        )
        from_a_list = check_leads(lambda: from_sequence([{"phone": "5", "email": "a@b.c"}]))
        assert from_a_file.fingerprint == from_a_list.fingerprint
        assert (from_a_file.count, from_a_list.count) == (1, 1)


class Row(dict[str, Any]):
    """A lead that counts how many of its class exist at the same time."""

    alive = most = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        Row.alive += 1
        Row.most = max(Row.most, Row.alive)

    def __del__(self) -> None:
        Row.alive -= 1


def rows(count: int) -> Iterator[Lead]:
    return (Row({"email": f"lead{number}@example.com"}) for number in range(count))


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestMemory:
    def test_at_most_two_batches_of_leads_are_in_memory(self) -> None:
        Row.alive = Row.most = 0
        found = check_leads(lambda: rows(20_000))
        assert Row.most <= 2
        # One batch is sent while the next one is read.
        assert sum(map(len, found.batches(size=500))) == 20_000
        assert 500 <= Row.most <= 1001

    def test_large_file_is_never_in_memory_as_a_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "leads.csv"
        with path.open("w") as file:
            file.write("email,first_name,city\n")
            file.writelines(f"lead{number}@example.com,Lead {number},City\n" for number in range(2_000))

        def read() -> Iterator[Lead]:
            return from_file(lambda: path.open(newline="", encoding="utf-8"), str(path), "csv")

        def check_and_batch() -> None:
            found = check_leads(read)
            assert found.count == sum(map(len, found.batches(size=200))) == 2_000

        # All leads at once take more than 1 MB, the two batches that may exist 0.3 MB.
        assert peak_of(lambda: list(read())) > 1_000_000
        assert peak_of(check_and_batch) < 600_000
