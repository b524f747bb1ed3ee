"""Leads read from a list or a file: what is a lead, what is an error, and how much is in memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.rules.lead_files import (
    MAX_LINE_LENGTH,
    Lead,
    format_of,
    from_file,
    from_sequence,
)

SECRET = "Topsecret"


def opened(content: str | bytes) -> IO[str]:
    raw = content if isinstance(content, bytes) else content.encode()
    return io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="")


def csv(content: str | bytes) -> list[Lead]:
    return list(from_file(lambda: opened(content), "leads.csv", "csv"))


def json_lines(content: str | bytes) -> list[Lead]:
    return list(from_file(lambda: opened(content), "leads.jsonl", "jsonl"))


def leads(count: int) -> list[Lead]:
    return [{"email": f"lead{number}@example.com"} for number in range(count)]


def test_a_csv_file_is_read_whatever_program_wrote_it() -> None:
    assert csv(
        "\ufeffemail,first_name,city,note\r\n"
        'ada@example.com,Ada,"London\r\nUK",\r\n'
        "\r\n"
        ' grace@example.com , ,"a ""b"", c",Ünï\r\n'
    ) == [
        {"email": "ada@example.com", "first_name": "Ada", "custom_variables": {"city": "London\r\nUK"}},
        {"email": "grace@example.com", "custom_variables": {"city": 'a "b", c', "note": "Ünï"}},
    ]


def test_the_last_line_of_a_csv_file_need_not_end() -> None:
    assert csv("city,email\nParis,a@example.com") == [
        {"email": "a@example.com", "custom_variables": {"city": "Paris"}}
    ]


def test_a_quoted_header_behind_a_byte_order_mark_is_understood() -> None:
    assert csv('\ufeff"email"\na@example.com\n') == [{"email": "a@example.com"}]


def test_the_one_member_of_a_lead_that_is_a_number_becomes_one() -> None:
    assert csv("email,lt_interest_status\na@example.com,-3\nb@example.com,\n") == [
        {"email": "a@example.com", "lt_interest_status": -3},
        {"email": "b@example.com"},
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"email,city\na@b.c,{SECRET}\n,{SECRET}\n", r"leads\.csv, line 3 has no e-mail address"),
        (f"email\n{SECRET}\n", r"leads\.csv, line 2 has no e-mail address"),
        (f'email,city\n"a@b.c","{SECRET}\n\n"\n,{SECRET}\n', r"leads\.csv, line 5 has no e-mail address"),
        (f"email,city\n{SECRET}@b.c\n", r"leads\.csv, line 2: 1 cells, where the header has 2"),
        (f"email,city\na@b.c,{SECRET},x\n", r"leads\.csv, line 2: 3 cells, where the header has 2"),
        (f"email,lt_interest_status\na@b.c,{SECRET}\n", r"leads\.csv, line 2: lt_interest_status"),
        (f'email,city\na@b.c,"{SECRET}\n', r"leads\.csv, line 2: unexpected end"),
        (f'email,city\na@b.c,"{SECRET}"x\n', r"leads\.csv, line 2: .*expected"),
        (f"email,city,city\na@b.c,{SECRET},x\n", r"leads\.csv, line 1: the header names a column twice"),
        (f"email,\na@b.c,{SECRET}\n", r"leads\.csv, line 1: the header names a column twice, or not at all"),
        (f"a@b.c,{SECRET}\n", r"leads\.csv, line 1: .*needs a column 'email'"),
        (f"\nemail\n{SECRET}@b.c\n", r"leads\.csv, line 1: .*needs a column 'email'"),
        ("", r"leads\.csv, line 1: .*needs a column 'email'"),
        ("\ufeff", r"leads\.csv, line 1: .*needs a column 'email'"),
        (b"email\n" + SECRET.encode() + b"@b.c\n\xff@b.c\n", r"leads\.csv: the file is not UTF-8"),
        (f"email\n{SECRET}@b.c\n".encode("utf-16"), r"leads\.csv: the file is not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_said_with_its_place_and_without_its_data(
    content: str | bytes, told: str
) -> None:
    with pytest.raises(ValueError, match=told) as raised:
        csv(content)
    assert SECRET not in str(raised.value)
    assert type(raised.value) is ValueError  # and none that carries the file's bytes along


def test_a_file_of_json_lines_is_read() -> None:
    assert json_lines(
        '\ufeff{"email": "ada@example.com", "custom_variables": {"seats": 3, "vip": true, "note": null}}\r\n'
        "\r\n"
        "   \n"
        '{"email": "grace@example.com", "first_name": "Grace"}'
    ) == [
        {"email": "ada@example.com", "custom_variables": {"seats": 3, "vip": True, "note": None}},
        {"email": "grace@example.com", "first_name": "Grace"},
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f'{{"email": "{SECRET}', "line 3: not JSON"),
        ("[" * 200_000, "line 3: not JSON"),
        (f'["{SECRET}"]', "line 3 must be a mapping with an 'email', got list"),
        (f'{{"name": "{SECRET}"}}', "line 3 has no e-mail address"),
        (f'{{"email": "{SECRET}"}}', "line 3 has no e-mail address"),
        ('{"email": 5}', "line 3 has no e-mail address"),
        (f'{{"email": "a@b.c", "phone": "{SECRET}", "x": NaN}}', "line 3: 'x' is no member of a lead"),
        (f'{{"email": "a@b.c", "phone": ["{SECRET}"]}}', "line 3: phone must be a text, got list"),
        ('{"email": "a@b.c", "lt_interest_status": NaN}', "line 3 cannot be sent as JSON"),
        (f'{{"email": "a@b.c", "custom_variables": "{SECRET}"}}', "line 3: custom_variables must be"),
        (f'{{"email": "a@b.c", "custom_variables": {{"x": ["{SECRET}"]}}}}', r"line 3: .*\['x'\] must be"),
    ],
)
def test_what_is_wrong_with_a_json_line_is_said_with_its_place_and_without_its_data(
    line: str, told: str
) -> None:
    with pytest.raises(ValueError, match=rf"leads\.jsonl, {told}") as raised:
        json_lines(f'{{"email": "a@b.c"}}\n\n{line}\n{{"email": "d@e.f"}}\n')
    assert SECRET not in str(raised.value)


class Huge(io.RawIOBase):
    """A file with one line or cell that is far too long, which counts what was read of it."""

    def __init__(self, beginning: bytes, then: bytes) -> None:
        self._beginning, self._then = beginning, then
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.bytes_read > 8 * MAX_LINE_LENGTH:
            return 0
        piece = self._beginning or self._then * (len(buffer) // len(self._then))
        self._beginning = b""
        buffer[: len(piece)] = piece
        self.bytes_read += len(piece)
        return len(piece)


@pytest.mark.parametrize(
    ("file_format", "beginning", "then", "told"),
    [
        ("csv", b"email\n", b"a", r"line 2: longer than 1,048,576 characters"),
        ("csv", b'email\n"', b"a\n", "field larger than field limit"),
        ("jsonl", b'{"email": "', b"a", r"line 1: longer than 1,048,576 characters"),
    ],
)
def test_a_line_or_cell_that_is_too_long_is_refused_before_it_was_read_to_its_end(
    file_format: str, beginning: bytes, then: bytes, told: str
) -> None:
    huge = Huge(beginning, then)
    file = io.TextIOWrapper(io.BufferedReader(huge), encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=rf"huge.*{told}"):
        list(from_file(lambda: file, "huge", file_format))
    assert huge.bytes_read < 2 * MAX_LINE_LENGTH


def test_a_line_of_just_the_longest_length_is_read() -> None:
    line = json.dumps({"email": "a@b.c", "phone": ""})
    line = line.replace('""', f'"{"5" * (MAX_LINE_LENGTH - len(line))}"')
    assert len(line) == MAX_LINE_LENGTH
    assert len(json_lines(line)[0]["phone"]) > 1_000_000


@pytest.mark.parametrize("content", ["email\n", "email\n\n\n"])
def test_a_file_without_leads_is_refused_by_its_name(content: str) -> None:
    with pytest.raises(ValueError, match=r"leads\.csv holds no leads"):
        checked(lambda: iter(csv(content)), "leads.csv")
    with pytest.raises(ValueError, match=r"leads\.jsonl holds no leads"):
        checked(lambda: iter(json_lines("\n\n")), "leads.jsonl")


def test_a_broken_last_row_is_found_when_the_leads_are_checked() -> None:
    content = "email\n" + "a@b.c\n" * 5000 + "nobody\n"
    with pytest.raises(ValueError, match="line 5002"):
        checked(lambda: from_file(lambda: opened(content), "leads.csv", "csv"))


def test_a_file_is_closed_whether_it_is_in_order_or_not() -> None:
    files = []

    def open_file(content: str) -> IO[str]:
        files.append(opened(content))
        return files[-1]

    assert list(from_file(partial(open_file, "email\na@b.c\n"), "x", "csv"))
    with pytest.raises(ValueError, match="line 2"):
        list(from_file(partial(open_file, "email\nnobody\n"), "x", "csv"))
    assert [file.closed for file in files] == [True, True]


@given(st.integers(1, 300), st.integers(0, 320), st.integers(1, 120))
def test_the_batches_put_together_are_the_leads(count: int, after: int, size: int) -> None:
    batches = list(checked(lambda: iter(leads(count))).batches(after=after, size=size))
    assert [lead for batch in batches for lead in batch] == leads(count)[after:]
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)


some_leads = st.lists(
    st.fixed_dictionaries({"email": st.sampled_from(["a@b.c", "d@e.f"])}, optional={"phone": st.text()}),
    min_size=1,
    max_size=4,
)


@given(some_leads, some_leads)
def test_a_fingerprint_is_the_same_for_the_same_leads_in_the_same_order_alone(
    some: list[Lead], others: list[Lead]
) -> None:
    same = checked(lambda: iter(some)).fingerprint == checked(lambda: iter(others)).fingerprint
    assert same == (some == others)


def test_a_fingerprint_does_not_depend_on_the_order_of_members_or_on_where_the_leads_stand() -> None:
    from_a_file = checked(lambda: iter(csv("email,phone\na@b.c,5\n")))
    from_a_list = checked(lambda: from_sequence([{"phone": "5", "email": "a@b.c"}]))
    assert from_a_file.fingerprint == from_a_list.fingerprint
    assert (from_a_file.count, from_a_list.count) == (1, 1)


@pytest.mark.parametrize(
    "lead",
    [{"email": "a@b.c", 5: "x"}, {"email": "a@b.c", "custom_variables": {"x": 1, None: 2}}],
    ids=["member", "variable"],
)
def test_a_member_whose_name_is_no_text_is_an_error_with_its_place(lead: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"leads\[1\](:| cannot be sent)"):
        checked(lambda: from_sequence([{"email": "a@b.c"}, lead]))


class Row(dict[str, Any]):
    """A lead that counts how many of its kind there are."""

    alive = most = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        Row.alive += 1
        Row.most = max(Row.most, Row.alive)

    def __del__(self) -> None:
        Row.alive -= 1


def rows(count: int) -> Iterator[Lead]:
    return (Row({"email": f"lead{number}@example.com"}) for number in range(count))


def test_no_more_leads_are_in_memory_than_are_sent_at_once() -> None:
    Row.alive = Row.most = 0
    found = checked(lambda: rows(100_000))
    assert Row.most <= 2
    # One batch is on its way while the next one is put together.
    assert sum(map(len, found.batches(size=500))) == 100_000
    assert 500 <= Row.most <= 1001


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    with path.open("w") as file:
        file.write("email,first_name,city\n")
        file.writelines(f"lead{number}@example.com,Lead {number},City\n" for number in range(10_000))

    def read() -> Iterator[Lead]:
        return from_file(lambda: path.open(newline="", encoding="utf-8"), str(path), "csv")

    def go_through() -> None:
        found = checked(read)
        assert found.count == sum(map(len, found.batches())) == 10_000

    # All leads at once take more than 5 MB, the two batches that may be alive 1.2.
    assert peak_of(lambda: list(read())) > 5_000_000
    assert peak_of(go_through) < 2_000_000


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("leads.csv", "csv"),
        ("s3://aws@bucket/LEADS.CSV", "csv"),
        ("a.b/leads.jsonl", "jsonl"),
        ("x.ndjson", "jsonl"),
    ],
)
def test_the_ending_of_a_path_tells_its_format(path: str, found: str) -> None:
    assert format_of(path, "leads_path") == found


@pytest.mark.parametrize("path", ["leads.xlsx", "leads", "", "None", None, 5, ".csv/leads"])
def test_a_path_that_does_not_tell_its_format_is_refused(path: Any) -> None:
    with pytest.raises(ValueError, match=r"leads_path must be .* ends in \.csv"):
        format_of(path, "leads_path")


def test_a_file_that_is_replaced_while_it_is_sent_is_no_success() -> None:
    readings = iter([[{"email": "a@b.c"}], [{"email": "d@e.f"}]])
    leads = checked(lambda: from_sequence(next(readings)))
    with pytest.raises(ValueError, match="changed between being checked"):
        list(leads.batches())
