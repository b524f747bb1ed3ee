"""Leads from a file or a list: which are read, and what an error names."""

from __future__ import annotations

import io
import json
from functools import partial
from typing import IO, Any

import pytest

from airflow_provider_campaigns.rules.lead_files import (
    MAX_LINE_LENGTH,
    Lead,
    check_leads,
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


class TestCsv:
    def test_csv_with_bom_quotes_and_empty_cells_is_read(self) -> None:
        assert csv(
            "\ufeffemail,first_name,city,note\r\n"
            'ada@example.com,Ada,"London\r\nUK",\r\n'
            "\r\n"
            ' grace@example.com , ,"a ""b"", c",Ünï\r\n'
        ) == [
            {"email": "ada@example.com", "first_name": "Ada", "custom_variables": {"city": "London\r\nUK"}},
            {"email": "grace@example.com", "custom_variables": {"city": 'a "b", c', "note": "Ünï"}},
        ]

    def test_csv_without_final_newline_is_read(self) -> None:
        assert csv("city,email\nParis,a@example.com") == [
            {"email": "a@example.com", "custom_variables": {"city": "Paris"}}
        ]

    def test_csv_header_quoted_after_a_bom_is_read(self) -> None:
        assert csv('\ufeff"email"\na@example.com\n') == [{"email": "a@example.com"}]

    def test_csv_lt_interest_status_becomes_an_integer(self) -> None:
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
            (f"email,city\n{SECRET}@b.c\n", r"leads\.csv, line 2: 1 cells, where the header has 2"),
            (f"email,city\na@b.c,{SECRET},x\n", r"leads\.csv, line 2: 3 cells, where the header has 2"),
            (f"email,lt_interest_status\na@b.c,{SECRET}\n", r"leads\.csv, line 2: lt_interest_status"),
            (f'email,city\na@b.c,"{SECRET}\n', r"leads\.csv, line 2: unexpected end"),
            (f'email,city\na@b.c,"{SECRET}"x\n', r"leads\.csv, line 2: .*expected"),
            (
                f"email,city,city\na@b.c,{SECRET},x\n",
                r"leads\.csv, line 1: the header has a duplicate or empty column name",
            ),
            (
                f"email,\na@b.c,{SECRET}\n",
                r"leads\.csv, line 1: the header has a duplicate or empty column name",
            ),
            (f"a@b.c,{SECRET}\n", r"leads\.csv, line 1: .*needs a column 'email'"),
            (f"\nemail\n{SECRET}@b.c\n", r"leads\.csv, line 1: .*needs a column 'email'"),
            ('"email\n', r"leads\.csv, line 1: unexpected end"),
            ("", r"leads\.csv, line 1: .*needs a column 'email'"),
            ("\ufeff", r"leads\.csv, line 1: .*needs a column 'email'"),
            (b"email\n" + SECRET.encode() + b"@b.c\n\xff@b.c\n", r"leads\.csv: the file is not UTF-8"),
            (f"email\n{SECRET}@b.c\n".encode("utf-16"), r"leads\.csv: the file is not UTF-8"),
        ],
    )
    def test_csv_error_names_the_line_and_shows_no_data(self, content: str | bytes, message: str) -> None:
        with pytest.raises(ValueError, match=message) as raised:
            csv(content)
        assert SECRET not in str(raised.value)
        assert type(raised.value) is ValueError  # UnicodeDecodeError would hold the bytes of the file

    def test_byte_order_mark_is_removed_from_the_first_line_only(self) -> None:
        assert csv("\ufeffcity,email\n\ufeffParis,a@example.com\n") == [
            {"email": "a@example.com", "custom_variables": {"city": "\ufeffParis"}}
        ]


class TestJsonLines:
    def test_json_lines_are_read(self) -> None:
        assert json_lines(
            '\ufeff{"email": "ada@example.com", '
            '"custom_variables": {"seats": 3, "vip": true, "note": null}}\r\n'
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
            ('{"email": "a@b.c", "lt_interest_status": NaN}', "line 3 cannot be sent as JSON"),
            (f'{{"email": "a@b.c", "custom_variables": "{SECRET}"}}', "line 3: custom_variables must be"),
            (
                f'{{"email": "a@b.c", "custom_variables": {{"x": ["{SECRET}"]}}}}',
                r"line 3: .*\['x'\] must be",
            ),
        ],
    )
    def test_json_line_error_names_the_line_and_shows_no_data(self, line: str, message: str) -> None:
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


class TestLongLine:
    @pytest.mark.parametrize(
        ("file_format", "beginning", "then", "message"),
        [
            ("csv", b"email\n", b"a", r"line 2: longer than 1,048,576 characters"),
            ("csv", b'email\n"', b"a\n", "field larger than field limit"),
            ("jsonl", b'{"email": "', b"a", r"line 1: longer than 1,048,576 characters"),
        ],
    )
    def test_too_long_line_is_not_read_to_its_end(
        self, file_format: str, beginning: bytes, then: bytes, message: str
    ) -> None:
        huge = Huge(beginning, then)
        file = io.TextIOWrapper(io.BufferedReader(huge), encoding="utf-8", newline="")
        with pytest.raises(ValueError, match=rf"huge.*{message}"):
            list(from_file(lambda: file, "huge", file_format))
        assert huge.bytes_read < 2 * MAX_LINE_LENGTH

    def test_line_of_maximum_length_is_read(self) -> None:
        line = json.dumps({"email": "a@b.c", "phone": ""})
        line = line.replace('""', f'"{"5" * (MAX_LINE_LENGTH - len(line))}"')
        assert len(line) == MAX_LINE_LENGTH
        assert len(json_lines(line)[0]["phone"]) > 1_000_000


class TestCheck:
    @pytest.mark.parametrize("content", ["email\n", "email\n\n\n"])
    def test_file_without_leads_is_refused(self, content: str) -> None:
        with pytest.raises(ValueError, match=r"leads\.csv holds no leads"):
            check_leads(lambda: iter(csv(content)), "leads.csv")
        with pytest.raises(ValueError, match=r"leads\.jsonl holds no leads"):
            check_leads(lambda: iter(json_lines("\n\n")), "leads.jsonl")

    def test_check_finds_an_invalid_last_row(self) -> None:
        content = "email\n" + "a@b.c\n" * 5000 + "invalid\n"
        with pytest.raises(ValueError, match="line 5002"):
            check_leads(lambda: from_file(lambda: opened(content), "leads.csv", "csv"))

    @pytest.mark.parametrize(
        "lead",
        [{"email": "a@b.c", 5: "x"}, {"email": "a@b.c", "custom_variables": {"x": 1, None: 2}}],
        ids=["field", "variable"],
    )
    def test_field_name_must_be_a_string(self, lead: dict[Any, Any]) -> None:
        with pytest.raises(ValueError, match=r"leads\[1\](:| cannot be sent)"):
            check_leads(lambda: from_sequence([{"email": "a@b.c"}, lead]))

    def test_list_without_leads_is_refused_by_its_name(self) -> None:
        with pytest.raises(ValueError, match=r"^leads holds no leads"):
            check_leads(lambda: from_sequence([]))


class TestFile:
    def test_file_is_closed_after_success_and_after_an_error(self) -> None:
        files = []

        def open_file(content: str) -> IO[str]:
            files.append(opened(content))
            return files[-1]

        assert list(from_file(partial(open_file, "email\na@b.c\n"), "x", "csv"))
        with pytest.raises(ValueError, match="line 2"):
            list(from_file(partial(open_file, "email\ninvalid\n"), "x", "csv"))
        assert [file.closed for file in files] == [True, True]


class TestFormat:
    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("leads.csv", "csv"),
            ("s3://aws@bucket/LEADS.CSV", "csv"),
            ("a.b/leads.jsonl", "jsonl"),
            ("x.ndjson", "jsonl"),
        ],
    )
    def test_format_follows_the_ending_of_the_path(self, path: str, found: str) -> None:
        assert format_of(path, "leads_path") == found

    @pytest.mark.parametrize("path", ["leads.xlsx", "leads", "", "None", None, 5, ".csv/leads"])
    def test_path_with_another_ending_is_refused(self, path: Any) -> None:
        with pytest.raises(ValueError, match=r"leads_path must be .* ends in \.csv"):
            format_of(path, "leads_path")
