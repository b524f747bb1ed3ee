"""Leads from a list or a file: which are valid, what an error says, and how many are in memory."""

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

from airflow_provider_campaigns.rules.lead_csv import BadRows
from airflow_provider_campaigns.rules.lead_files import (
    MAX_LINE_LENGTH,
    Lead,
    Leads,
    LeadSource,
    Reading,
    check_leads,
    format_of,
    from_file,
    from_sequence,
)

SECRET = "Topsecret"


def opened(content: str | bytes) -> IO[str]:
    raw = content if isinstance(content, bytes) else content.encode()
    return io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="")


def check(content: str | bytes, file_format: str = "csv", **arguments: Any) -> Leads:
    columns = arguments.pop("columns", None)
    source = from_file(lambda: opened(content), f"leads.{file_format}", file_format, columns)
    return check_leads(source, **arguments)


def all_of(found: Leads) -> list[Lead]:
    return [lead for batch in found.batches() for lead in batch]


def csv(content: str | bytes, **arguments: Any) -> list[Lead]:
    return all_of(check(content, **arguments))


def json_lines(content: str | bytes) -> list[Lead]:
    return all_of(check(content, "jsonl"))


def source_of(read: Callable[[], Iterator[Lead]]) -> LeadSource:
    def rows(reading: Reading) -> Iterator[Lead]:
        for lead in read():
            reading.add(json.dumps(lead))
            yield lead

    return LeadSource("leads", rows)


def leads(count: int) -> list[Lead]:
    return [{"email": f"lead{number}@example.com"} for number in range(count)]


def test_csv_with_bom_quotes_and_empty_cells_is_read() -> None:
    assert csv(
        "\ufeffemail,first_name,city,note\r\n"
        'ada@example.com,Ada,"London\r\nUK",\r\n'
        "\r\n"
        ' grace@example.com , ,"a ""b"", c",Ünï\r\n'
    ) == [
        {"email": "ada@example.com", "first_name": "Ada", "custom_variables": {"city": "London\r\nUK"}},
        {"email": "grace@example.com", "custom_variables": {"city": 'a "b", c', "note": "Ünï"}},
    ]


def test_csv_without_final_newline_is_read() -> None:
    assert csv("city,email\nParis,a@example.com") == [
        {"email": "a@example.com", "custom_variables": {"city": "Paris"}}
    ]


def test_csv_header_quoted_after_a_bom_is_read() -> None:
    assert csv('\ufeff"email"\na@example.com\n') == [{"email": "a@example.com"}]


def test_csv_lt_interest_status_becomes_an_integer() -> None:
    assert csv("email,lt_interest_status\na@example.com,-3\nb@example.com,\n") == [
        {"email": "a@example.com", "lt_interest_status": -3},
        {"email": "b@example.com"},
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"email,city\na@b.c,{SECRET}\n,{SECRET}\n", r"leads\.csv, line 3 has no e-mail address"),
        (f"email\n{SECRET}\n", r"leads\.csv, line 2 has no e-mail address"),
        (f'email,city\n"a@b.c","{SECRET}\n\n"\n,{SECRET}\n', r"leads\.csv, line 5 has no e-mail address"),
        (f"email,city\na@b.c,{SECRET},x\n", r"leads\.csv, line 2: 3 cells, where the header has 2"),
        (f"email,\na@b.c,{SECRET}\n", r"leads\.csv, line 2: a cell in a column without a name"),
        (f"email,lt_interest_status\na@b.c,{SECRET}\n", r"leads\.csv, line 2: lt_interest_status"),
        (f'email,city\na@b.c,"{SECRET}\n', r"leads\.csv, line 2: unexpected end"),
        (f'email,city\na@b.c,"{SECRET}"x\n', r"leads\.csv, line 2: .*expected"),
        (
            f"email,city,city\na@b.c,{SECRET},x\n",
            r"leads\.csv, line 1: the header contains 'city' more than once",
        ),
        (f"a@b.c,{SECRET}\n", r"leads\.csv, line 1: this line is a lead"),
        ("", r"leads\.csv, line 1: .* no header with a column 'email'"),
        ("\ufeff", r"leads\.csv, line 1: .* no header with a column 'email'"),
        ("\n \n", r"leads\.csv, line 1: .* no header with a column 'email'"),
    ],
)
def test_csv_error_names_the_line_and_shows_no_data(content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        csv(content)
    assert SECRET not in str(raised.value)
    assert type(raised.value) is ValueError  # UnicodeDecodeError would hold the bytes of the file


def test_json_lines_are_read() -> None:
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
    ("line", "message"),
    [
        (f'{{"email": "{SECRET}', "line 3: not JSON"),
        ("[" * 200_000, "line 3: not JSON"),
        (f'["{SECRET}"]', "line 3 must be a mapping with an 'email', got list"),
        (f'{{"name": "{SECRET}"}}', "line 3 has no e-mail address"),
        (f'{{"email": "{SECRET}"}}', "line 3 has no e-mail address"),
        ('{"email": 5}', "line 3 has no e-mail address"),
        (f'{{"email": "a@b.c", "phone": "{SECRET}", "x": NaN}}', "line 3: 'x' is not a field of a lead"),
        (f'{{"email": "a@b.c", "phone": ["{SECRET}"]}}', "line 3: phone must be a string, got list"),
        (
            '{"email": "a@b.c", "lt_interest_status": NaN}',
            "line 3 cannot be sent as JSON: lt_interest_status",
        ),
        (f'{{"email": "a@b.c", "custom_variables": "{SECRET}"}}', "line 3: custom_variables must be"),
        (f'{{"email": "a@b.c", "custom_variables": {{"x": ["{SECRET}"]}}}}', r"line 3: .*\['x'\] must be"),
    ],
)
def test_json_line_error_names_the_line_and_shows_no_data(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"leads\.jsonl, {message}") as raised:
        json_lines(f'{{"email": "a@b.c"}}\n\n{line}\n{{"email": "d@e.f"}}\n')
    assert SECRET not in str(raised.value)


class Huge(io.RawIOBase):
    """A file with one line or cell that is far too long; it counts the bytes that are read."""

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
    ("file_format", "beginning", "then", "message"),
    [
        ("csv", b"email\n", b"a", r"line 2: longer than 4,194,304 characters"),
        ("csv", b'email\n"', b"a\n", "field larger than field limit"),
        ("jsonl", b'{"email": "', b"a", r"line 1: longer than 1,048,576 characters"),
    ],
)
def test_too_long_line_is_not_read_to_its_end(
    file_format: str, beginning: bytes, then: bytes, message: str
) -> None:
    huge = Huge(beginning, then)
    file = io.TextIOWrapper(io.BufferedReader(huge), encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=rf"huge.*{message}"):
        check_leads(from_file(lambda: file, "huge", file_format))
    assert huge.bytes_read < 5 * MAX_LINE_LENGTH


def test_line_of_maximum_length_is_read() -> None:
    line = json.dumps({"email": "a@b.c", "phone": ""})
    line = line.replace('""', f'"{"5" * (MAX_LINE_LENGTH - len(line))}"')
    assert len(line) == MAX_LINE_LENGTH
    assert len(json_lines(line)[0]["phone"]) > 1_000_000


@pytest.mark.parametrize("content", ["email\n", "email\n\n\n"])
def test_file_without_leads_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r"leads\.csv holds no leads"):
        check(content)
    with pytest.raises(ValueError, match=r"leads\.jsonl holds no leads"):
        check("\n\n", "jsonl")


def test_check_finds_an_invalid_last_row() -> None:
    content = "email\n" + "a@b.c\n" * 5000 + "invalid\n"
    with pytest.raises(ValueError, match="line 5002"):
        check(content)


def test_file_is_closed_after_success_and_after_an_error() -> None:
    files = []

    def open_file(content: str) -> IO[str]:
        files.append(opened(content))
        return files[-1]

    assert check_leads(from_file(partial(open_file, "email\na@b.c\n"), "x", "csv"))
    with pytest.raises(ValueError, match="line 2"):
        check_leads(from_file(partial(open_file, "email\ninvalid\n"), "x", "csv"))
    assert [file.closed for file in files] == [True, True]


@given(st.integers(1, 300), st.integers(0, 320), st.integers(1, 120))
def test_batches_together_are_the_leads(count: int, after: int, size: int) -> None:
    batches = list(check_leads(from_sequence(leads(count))).batches(after=after, size=size))
    assert [lead for batch in batches for lead in batch] == leads(count)[after:]
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)


some_leads = st.lists(
    st.fixed_dictionaries({"email": st.sampled_from(["a@b.c", "d@e.f"])}, optional={"phone": st.text()}),
    min_size=1,
    max_size=4,
)


@given(some_leads, some_leads)
def test_fingerprint_depends_on_the_leads_and_their_order(some: list[Lead], others: list[Lead]) -> None:
    same = check_leads(from_sequence(some)).fingerprint == check_leads(from_sequence(others)).fingerprint
    assert same == (some == others)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("Email,city\na@b.c,Paris\n", True),
        ("Email,city\na@b.c,Lyon\n", False),
        ("Email,town\na@b.c,Paris\n", False),
        ("Email,city\na@b.c,Paris\nd@e.f,\n", False),
    ],
)
def test_fingerprint_depends_on_the_file(other: str, same: bool) -> None:
    assert (check("Email,city\na@b.c,Paris\n").fingerprint == check(other).fingerprint) is same


def test_fingerprint_depends_on_the_columns() -> None:
    content = "Email,city\na@b.c,Paris\n"
    assert check(content).fingerprint != check(content, columns={"city": "town"}).fingerprint


@pytest.mark.parametrize(
    "lead",
    [{"email": "a@b.c", 5: "x"}, {"email": "a@b.c", "custom_variables": {"x": 1, None: 2}}],
    ids=["field", "variable"],
)
def test_field_name_must_be_a_string(lead: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"leads\[1\](:| cannot be sent)"):
        check_leads(from_sequence([{"email": "a@b.c"}, lead]))


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


def test_at_most_two_batches_of_leads_are_in_memory() -> None:
    Row.alive = Row.most = 0
    found = check_leads(source_of(lambda: rows(20_000)))
    assert Row.most <= 2
    # One batch is sent while the next one is read.
    assert sum(map(len, found.batches(size=500))) == 20_000
    assert Row.most <= 2  # a batch holds plain copies


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    with path.open("w") as file:
        file.write("email,first_name,city\n")
        file.writelines(f"lead{number}@example.com,Lead {number},City\n" for number in range(2_000))

    source = from_file(lambda: path.open(newline="", encoding="utf-8"), str(path), "csv")

    def check_and_batch() -> None:
        found = check_leads(source)
        assert found.count == sum(map(len, found.batches(size=200))) == 2_000

    # All leads at once take more than 1 MB, the two batches that may exist 0.3 MB.
    assert peak_of(lambda: all_of(check_leads(source))) > 1_000_000
    assert peak_of(check_and_batch) < 600_000


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("leads.csv", "csv"),
        ("s3://aws@bucket/LEADS.CSV", "csv"),
        ("a.b/leads.jsonl", "jsonl"),
        ("x.ndjson", "jsonl"),
        ("https://bucket.test/leads.csv?X-Signature=abc", "csv"),
        ("file:///tmp/a?b.csv", "csv"),
    ],
)
def test_format_follows_the_ending_of_the_path(path: str, found: str) -> None:
    assert format_of(path, "leads_path") == found


@pytest.mark.parametrize("path", ["leads.xlsx", "leads", "", "None", None, 5, ".csv/leads"])
def test_path_with_another_ending_is_refused(path: Any) -> None:
    with pytest.raises(ValueError, match=r"leads_path must be .* ends in \.csv"):
        format_of(path, "leads_path")


def test_signature_of_a_url_is_not_shown() -> None:
    with pytest.raises(ValueError, match=r"got 'https://bucket.test/leads.xls\?…'") as raised:
        format_of(f"https://bucket.test/leads.xls?sig={SECRET}", "leads_path")
    assert SECRET not in str(raised.value)


def test_file_replaced_while_it_is_uploaded_is_an_error() -> None:
    readings = iter([[{"email": "a@b.c"}], [{"email": "d@e.f"}]])
    leads = check_leads(source_of(lambda: iter(next(readings))))
    with pytest.raises(ValueError, match="changed between being checked"):
        list(leads.batches())


class TestBadRows:
    # Five good rows; the others are bad, each for one reason.
    CONTENT = (
        "Email,First Name,city,\n"
        "a@b.c,Ada,Paris,\n"
        f",{SECRET},Paris,\n"
        f"{SECRET},Ada,Paris,\n"
        f"a@b.c; {SECRET}@e.f,Ada,Paris,\n"
        f"{SECRET} <a@b.c>,Ada,Paris,\n"
        f"a@b.c,{SECRET},Paris,,,x\n"
        f"a@b.c,{SECRET},Paris,,x\n"
        f"a@b.c,Ada,Paris,{SECRET}\n"
        f'a@b.c,"{SECRET}"x,Paris,\n'
        ",,,\n"
        "\n"
        " \u200bd@e.f\u00a0,Grace,Lyon,\n"
        "g@h.i,Joan,,"
    )
    SENTENCES = (
        "line 3 has no e-mail address.",
        "line 4 has no e-mail address.",
        "line 5: the e-mail address is not a single plain address.",
        "line 6: the e-mail address is not a single plain address.",
        "line 7: 6 cells, where the header has 4.",
        "line 8: 5 cells, where the header has 4.",
        "line 9: a cell in a column without a name.",
        "line 10: ',' expected after '\"'.",
    )

    def test_all_bad_rows_are_counted_and_named(self) -> None:
        with pytest.raises(ValueError, match=r"leads\.csv: 8 rows are not leads: line 3 has") as raised:
            check(self.CONTENT)
        for sentence in self.SENTENCES:
            assert sentence.removesuffix(".") in str(raised.value)
        assert SECRET not in str(raised.value)

    def test_ten_bad_rows_are_named(self) -> None:
        with pytest.raises(
            ValueError, match=r": 2,000 rows are not leads: .*line 11 .*; and 1,990 more"
        ) as raised:
            check("email,x\na@b.c,1\n" + ",x\n" * 2000)
        assert "line 13" not in str(raised.value)

    def test_skipped_rows_are_left_out_and_reported(self) -> None:
        reported: list[str] = []
        found = check(self.CONTENT, skip_bad_rows=True, on_bad_row=reported.append)
        assert [lead["email"] for lead in all_of(found)] == ["a@b.c", "d@e.f", "g@h.i"]
        assert reported == found.bad_rows.first == list(self.SENTENCES)
        assert (found.count, found.bad_rows.count) == (3, 8)

    def test_file_of_bad_rows_only_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"holds no leads.*line 2 has no"):
            check("email,x\n,x\n", skip_bad_rows=True)

    def test_bad_leads_of_json_lines_and_lists_are_skipped(self) -> None:
        lines = '{"email": "a@b.c"}\n{"email": "a@b.c, d@e.f"}\n[]\nx\n{"email": " \u200bg@h.i "}'
        found = check(lines, "jsonl", skip_bad_rows=True)
        assert ([lead["email"] for lead in all_of(found)], found.bad_rows.count) == (["a@b.c", "g@h.i"], 3)
        found = check_leads(from_sequence([{"email": "a@b.c"}, {"email": "x"}]), skip_bad_rows=True)
        assert (found.count, found.bad_rows.first) == (1, ["leads[1] has no e-mail address under 'email'."])

    @pytest.mark.parametrize(
        "content",
        [
            f'email,x\na@b.c,"{SECRET}\nd@e.f,y\ng@h.i,z\n',
            f'email,x\na@b.c,"{SECRET}\nd@e.f,y\ng@h.i,"z"\n',
        ],
    )
    def test_quote_that_swallows_rows_is_always_an_error(self, content: str) -> None:
        """One bad row would be reported, and several would be lost."""
        with pytest.raises(ValueError, match=r"leads\.csv, line [234]: ") as raised:
            check(content, skip_bad_rows=True)
        assert SECRET not in str(raised.value)

    def test_bad_rows_say_how_many_are_not_named(self) -> None:
        bad_rows = BadRows("leads.csv")
        for number in range(12):
            bad_rows.add(f"line {number}: bad.")
        assert str(bad_rows).endswith("line 9: bad; and 2 more.")
