"""CSV files as programs write them: delimiters, byte order marks, encodings, lines before the header."""

from __future__ import annotations

import csv
import io
from typing import IO, Any

import pytest

from airflow_provider_campaigns.rules import lead_files
from airflow_provider_campaigns.rules.lead_csv import MAX_CELL_LENGTH
from airflow_provider_campaigns.rules.lead_files import Lead, Leads, check_leads, from_file

SECRET = "Topsecret"


def check(content: str | bytes, columns: Any = None) -> Leads:
    def opened() -> IO[str]:
        raw = content if isinstance(content, bytes) else content.encode()
        return io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="")

    return check_leads(from_file(opened, "leads.csv", "csv", columns))


def leads(content: str | bytes, columns: Any = None) -> list[Lead]:
    return [lead for batch in check(content, columns).batches() for lead in batch]


ADA = [{"email": "ada@x.com", "first_name": "Ada", "custom_variables": {"City": "Paris"}}]


class TestDelimiter:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_delimiter_mark_and_line_ends_are_recognised(self, mark: str, delimiter: str, end: str) -> None:
        rows = (("Email", "First Name", "City"), ("ada@x.com", "Ada", "Paris"))
        assert leads(mark + end.join(map(delimiter.join, rows)) + end) == ADA

    @pytest.mark.parametrize(
        "content",
        [
            "sep=;\nEmail;First Name;City\nada@x.com;Ada;Paris\n",
            "\ufeffSEP=;\r\nEmail;First Name;City\r\nada@x.com;Ada;Paris\r\n",
            '"sep=;"\nEmail;First Name;City\nada@x.com;Ada;Paris',
            "sep=\t\nEmail\tFirst Name\tCity\nada@x.com\tAda\tParis\n",
            "sep=:\nEmail:First Name:City\nada@x.com:Ada:Paris\n",
        ],
    )
    def test_first_line_that_names_the_delimiter_is_followed(self, content: str) -> None:
        assert leads(content) == ADA

    @pytest.mark.parametrize(
        ("content", "variables"),
        [
            ("Email;Tags, lists\nada@x.com;a,b\n", {"Tags, lists": "a,b"}),
            ("Email,Tags; lists; notes\nada@x.com,a;b\n", {"Tags; lists; notes": "a;b"}),
            ('"Email";"A, B, C, D"\n"ada@x.com";"1, 2"\n', {"A, B, C, D": "1, 2"}),
        ],
    )
    def test_delimiter_within_a_name_does_not_mislead(self, content: str, variables: dict[str, str]) -> None:
        assert leads(content) == [{"email": "ada@x.com", "custom_variables": variables}]

    def test_mapped_column_decides_the_delimiter(self) -> None:
        content = "Adresse;Nom, prénom\nada@x.com;L, A\n"
        assert leads(content, {"Adresse": "email"})[0]["custom_variables"] == {"Nom, prénom": "L, A"}

    def test_header_of_several_lines_is_read(self) -> None:
        assert leads('Email,"City\n(home)"\nada@x.com,Paris\n') == [
            {"email": "ada@x.com", "custom_variables": {"City\n(home)": "Paris"}}
        ]


class TestLinesBeforeTheHeader:
    NOTES = (
        "Notes:\r\n"
        '"When exporting your connection data, you may notice that some addresses are missing."\r\n'
        "\r\n"
    )
    HEADER = "First Name,Last Name,URL,Email Address,Company,Position,Connected On\r\n"

    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_notes_of_linkedin_are_skipped(self, mark: str) -> None:
        row = "Ada,L,https://www.linkedin.com/in/ada,ada@x.com,Engines,Engineer,01 Jan 2024\r\n"
        assert leads(mark + self.NOTES + self.HEADER + row + ",,,,,,\r\n") == [
            {
                "email": "ada@x.com",
                "first_name": "Ada",
                "last_name": "L",
                "company_name": "Engines",
                "job_title": "Engineer",
                "custom_variables": {
                    "URL": "https://www.linkedin.com/in/ada",
                    "Connected On": "01 Jan 2024",
                },
            }
        ]

    def test_notes_saved_again_by_excel_are_skipped(self) -> None:
        notes = 'Notes:,,\r\n"When exporting, you may notice, that",,\r\n,,\r\n'
        assert leads(f"{notes}Email,First Name,City\r\nada@x.com,Ada,Paris\r\n") == ADA
        assert leads(f"{notes};;\r\n".replace(",", ";") + "Email;First Name;City\nada@x.com;Ada;Paris") == ADA

    def test_bad_row_below_notes_is_named_by_its_line(self) -> None:
        with pytest.raises(ValueError, match=r"leads\.csv, line 5 has no e-mail address"):
            leads(self.NOTES + self.HEADER + f"{SECRET},L,,,,,\r\n")

    def test_empty_lines_before_the_header_are_skipped(self) -> None:
        assert leads("\n\nEmail,First Name,City\nada@x.com,Ada,Paris\n") == ADA


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_the_same_whatever_pieces_are_read(
    monkeypatch: pytest.MonkeyPatch, piece: int, end: str
) -> None:
    monkeypatch.setattr(lead_files, "_PIECE", piece)
    # Characters at which str.splitlines ends a line, and csv does not.
    city = f'a "b"{end}\u2028\x85\x0cé😀'
    quoted = city.replace('"', '""')
    content = f'\ufeffEmail,City{end}a@b.c,"{quoted}"{end}{end}d@e.f,"{quoted}"'
    assert leads(content) == [
        {"email": email, "custom_variables": {"City": city}} for email in ("a@b.c", "d@e.f")
    ]


class TestEncoding:
    @pytest.mark.parametrize(
        ("encoding", "named", "line"),
        [
            ("utf-16", "iconv -f UTF-16 -t UTF-8 old.csv > new.csv", 1),
            ("utf-16-le", "iconv -f UTF-16LE -t UTF-8", 1),
            ("utf-16-be", "iconv -f UTF-16BE -t UTF-8", 1),
            ("utf-32", "iconv -f UTF-32 -t UTF-8", 1),
            ("latin-1", "iconv -f WINDOWS-1252 -t UTF-8", 4),
            ("cp1252", "iconv -f WINDOWS-1252 -t UTF-8", 4),
        ],
    )
    def test_other_encoding_is_refused_with_the_command(self, encoding: str, named: str, line: int) -> None:
        content = f"Email,City\na@b.c,{SECRET}\na@b.c,Paris\na@b.c,Köln\n".encode(encoding)
        with pytest.raises(ValueError, match=r"leads\.csv: the file is not UTF-8") as raised:
            leads(content)
        assert named in str(raised.value)
        assert f"(line {line})" in str(raised.value)
        assert "CSV UTF-8" in str(raised.value)
        assert SECRET not in str(raised.value)

    def test_line_far_below_is_named(self) -> None:
        content = b"Email,City\r\n" + b"a@b.c,Paris\r\n" * 50_000 + "a@b.c,Köln\r\n".encode("latin-1")
        with pytest.raises(ValueError, match=r"\(line 50,002\)"):
            leads(content)

    def test_excel_workbook_is_recognised(self) -> None:
        with pytest.raises(ValueError, match="looks like an Excel workbook"):
            leads(b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\xbe\xe9")


class TestCells:
    def test_cell_of_maximum_length_is_accepted(self) -> None:
        limit = csv.field_size_limit()
        long = "x" * MAX_CELL_LENGTH
        assert leads(f'email,a,b\na@b.c,"{long}",{long}\n') == [
            {"email": "a@b.c", "custom_variables": {"a": long, "b": long}}
        ]
        assert csv.field_size_limit() == limit

    def test_longer_cell_is_refused_and_the_limit_restored(self) -> None:
        limit = csv.field_size_limit()
        with pytest.raises(ValueError, match=r"leads\.csv, line 2: field larger than"):
            leads(f"email,a\na@b.c,{'x' * (MAX_CELL_LENGTH + 1)}\n")
        assert csv.field_size_limit() == limit

    @pytest.mark.parametrize(
        "cell",
        [
            " ada@x.com ",
            "\u200bada@x.com",
            "ada@x.com\ufeff",
            "ada\u00ad@x.com",
            "\u00a0ada@x\u2060.com\u200e",
        ],
    )
    def test_invisible_characters_are_removed_from_addresses(self, cell: str) -> None:
        assert leads(f"email\n{cell}\n") == [{"email": "ada@x.com"}]

    def test_column_without_a_name_and_cells_is_left_out(self) -> None:
        assert leads("Email;First Name;;City;\nada@x.com;Ada;;Paris;\n") == ADA


class TestColumnsWithoutAName:
    # As pandas writes a table with its index.
    PANDAS = ",Email,First Name,City\n0,ada@x.com,Ada,Paris\n"

    def test_columns_can_leave_them_out(self) -> None:
        assert leads(self.PANDAS, {"": None}) == ADA
        assert leads("Email;First Name;;City;\nada@x.com;Ada;1;Paris;2\n", {"": None}) == ADA

    def test_cell_in_one_is_a_bad_row_with_advice(self) -> None:
        with pytest.raises(ValueError, match="2 rows are not leads: line 2: a cell") as raised:
            leads(self.PANDAS + "1,b@x.com,,\n")
        assert str(raised.value).endswith(
            "line 3: a cell in a column without a name. columns={'': None} leaves such columns out."
        )
        assert str(raised.value).count("leaves such columns out") == 1

    def test_other_bad_row_gets_no_such_advice(self) -> None:
        with pytest.raises(ValueError, match=r"line 2 has no e-mail address\.$"):
            leads(",Email\n,Ada\n")

    @pytest.mark.parametrize("target", ["email", "index"])
    def test_mapping_them_to_a_name_is_refused(self, target: str) -> None:
        with pytest.raises(ValueError, match=r"columns\[''\].*left out"):
            leads(self.PANDAS, {"": target})

    def test_log_and_fingerprint_show_that_they_are_left_out(self) -> None:
        checked = [check(self.PANDAS.replace("0,", ","), columns) for columns in (None, {"": None})]
        assert str(checked[1].plan).endswith("; left out: columns without a name")
        assert checked[0].fingerprint != checked[1].fingerprint


# Public reports about imports of contacts, each with its smallest file.
REPORTS = {
    "forcedotcom/dataloader#182": "\ufeffemail,First Name\na@b.c,Ada\n",
    "GemGeorge/SniperPhish#44": "email;first_name\na@b.c;Ada\n",
    "resend/resend-cli#332": "Email,First Name\na@b.c,Ada\n",
    "mettle/sendportal#287": "email,first_name\na\u200b@b.c,Ada\n",
    "formbricks/formbricks#8172": "\ufeffEmail\tFirst Name\r\na@b.c\tAda\r\n",
    "arafat-web/Bulk-Email-Sender#11": "Given Name, eMail Address, Notes\nAda,a@b.c,\n",
    "nbramia/LifeOS#814": 'Notes:\n"Some text."\n\nFirst Name,URL,Email Address\nAda,,a@b.c\n',
}


@pytest.mark.parametrize("report", REPORTS)
def test_file_of_a_public_report_is_read(report: str) -> None:
    assert leads(REPORTS[report]) == [{"email": "a@b.c", "first_name": "Ada"}]


@pytest.mark.parametrize("rest", ["", ",", ",,"])
@pytest.mark.parametrize(
    "footer",
    [
        ("Spring leads", "Copyright (c) 2000-2026 salesforce.com, inc.", "Confidential Information - Do Not "
         "Distribute", "Generated By:  Ada L  11/30/2026 9:00 AM", "Analytical Engines"),
        ("Grand Totals (1 records)", "", "Confidential Information", "Copyright © 2026 salesforce.com, inc."),
    ],
)  # fmt: skip
def test_footer_of_a_salesforce_report_is_no_row(footer: tuple[str, ...], rest: str) -> None:
    content = "First Name,Email\nAda,a@b.c\n\n" + "".join(f'"{line}"{rest}\n' for line in footer)
    assert leads(content) == [{"email": "a@b.c", "first_name": "Ada"}]


def test_row_without_an_address_is_no_footer() -> None:
    rows = [
        SECRET,
        f"Copyright {SECRET}",
        "Ada,a@b.c",
        "Ada",
        "Ada,b@b.c",
        "x",
        "Generated By: x",
        "",
        "",
        "y",
        "z",
    ]
    with pytest.raises(ValueError, match="rows are not leads") as raised:
        leads("First Name,Email\n" + "\n".join(rows))
    assert str(raised.value) == (
        "leads.csv: 5 rows are not leads: line 2 has no e-mail address; line 3 has no e-mail address; "
        "line 5 has no e-mail address; line 11 has no e-mail address; line 12 has no e-mail address."
    )


def test_first_address_of_google_contacts_counts() -> None:
    found = check("Name,E-mail 1 - Value\nAda,a@x.io ::: b@x.io\nBob,c@x.io\n")
    assert [lead["email"] for batch in found.batches() for lead in batch] == ["a@x.io", "c@x.io"]
    assert found.several_addresses == 1
    with pytest.raises(ValueError, match="line 2: the e-mail address is not a single plain address"):
        leads(f"Email\n{SECRET}@ ::: b@x.io\n")


def test_row_without_its_empty_end_is_a_lead() -> None:
    assert leads("Email,First Name,City,Plan\nada@x.com,Ada,Paris\nada@x.com,Ada,Paris,,,\n") == ADA * 2


def test_cells_without_a_value_are_empty_everywhere() -> None:
    content = "Email,First Name,City,lt_interest_status,\nada@x.com,Ada,Paris,NULL,#N/A\n#N/A,#N/A,-,,\n"
    assert leads(content) == ADA
