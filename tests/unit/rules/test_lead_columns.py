"""Headers of lead files: which column becomes which field, and what an error suggests."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import LEAD_FIELDS
from airflow_provider_campaigns.rules.lead_columns import (
    KNOWN_HEADERS,
    ColumnPlan,
    check_columns,
    plan_columns,
)

# Headers as the programs write them; what is not listed as a field becomes a custom variable.
EXPORTS: dict[str, tuple[str, dict[str, str]]] = {
    "Apollo": (
        "First Name,Last Name,Title,Company,Company Name for Emails,Email,Email Status,Primary Email Source,"
        "Email Confidence,Primary Email Catch-all Status,Primary Email Last Verified At,Seniority,"
        "Departments,Contact Owner,Work Direct Phone,Home Phone,Mobile Phone,Corporate Phone,Other Phone,"
        "Stage,Lists,Last Contacted,Account Owner,# Employees,Industry,Keywords,Person Linkedin Url,Website,"
        "Company Linkedin Url,Facebook Url,Twitter Url,City,State,Country,Company Address,Company City,"
        "Company State,Company Country,Company Phone,Technologies,Annual Revenue,Total Funding,"
        "Latest Funding,Latest Funding Amount,Last Raised At,Subsidiary of,Email Sent,Email Open,"
        "Email Bounced,Replied,Demoed,Number of Retail Locations,Apollo Contact Id,Apollo Account Id,"
        "Secondary Email,Secondary Email Source,Tertiary Email,Tertiary Email Source",
        {
            "email": "Email",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company Name for Emails",
            "job_title": "Title",
            "phone": "Work Direct Phone",
            "website": "Website",
        },
    ),
    "HubSpot": (
        "Record ID,First Name,Last Name,Email,Job Title,Company Name,Website URL,Country/Region,"
        "Phone Number,LinkedIn URL,Lifecycle Stage,Contact owner,Associated Company,Lead Status",
        {
            "email": "Email",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company Name",
            "job_title": "Job Title",
            "phone": "Phone Number",
            "website": "Website URL",
        },
    ),
    "HubSpot, default view": (
        "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Associated Company,"
        "Last Activity Date,Lead Status,Create Date",
        {
            "email": "Email",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Associated Company",
            "phone": "Phone Number",
        },
    ),
    "Salesforce, contacts": (
        "Salutation,First Name,Last Name,Title,Account Name,Mailing Street,Mailing City,Phone,Fax,Mobile,"
        "Email,Account Owner",
        {
            "email": "Email",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Account Name",
            "job_title": "Title",
            "phone": "Phone",
        },
    ),
    "Salesforce, leads": (
        "Lead Owner,First Name,Last Name,Title,Company / Account,Email,Lead Source,Street,Rating,Mobile",
        {
            "email": "Email",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company / Account",
            "job_title": "Title",
            "phone": "Mobile",
        },
    ),
    "Salesforce, data loader": (
        "Id,FirstName,LastName,Email,Title,Phone,Account.Name,Account.Website",
        {
            "email": "Email",
            "first_name": "FirstName",
            "last_name": "LastName",
            "company_name": "Account.Name",
            "job_title": "Title",
            "phone": "Phone",
            "website": "Account.Website",
        },
    ),
    "Clay": (
        "First Name,Last Name,Full Name,Job Title,Location,Company Name,Company Domain,LinkedIn Profile,"
        "Find Work Email,Icebreaker",
        {
            "email": "Find Work Email",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company Name",
            "job_title": "Job Title",
            "website": "Company Domain",
            "personalization": "Icebreaker",
        },
    ),
    "LinkedIn": (
        "First Name,Last Name,URL,Email Address,Company,Position,Connected On",
        {
            "email": "Email Address",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company",
            "job_title": "Position",
        },
    ),
    "Sales Navigator": (
        "First Name,Last Name,Full Name,Email,Email Status,Current Job,Company Name,Company Website,"
        "Sales Navigator URL,Years in Position",
        {
            "email": "Email",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company Name",
            "job_title": "Current Job",
            "website": "Company Website",
        },
    ),
    "Sales Navigator, camel case": (
        "profileUrl,fullName,firstName,lastName,companyName,title,professionalEmail,location",
        {
            "email": "professionalEmail",
            "first_name": "firstName",
            "last_name": "lastName",
            "company_name": "companyName",
            "job_title": "title",
        },
    ),
    "Google Contacts": (
        "First Name,Middle Name,Last Name,Phonetic First Name,Phonetic Middle Name,Phonetic Last Name,"
        "Name Prefix,Name Suffix,Nickname,File As,Organization Name,Organization Title,"
        "Organization Department,Birthday,Notes,Photo,Labels,E-mail 1 - Label,E-mail 1 - Value,"
        "E-mail 2 - Label,E-mail 2 - Value,Phone 1 - Label,Phone 1 - Value,Website 1 - Label,"
        "Website 1 - Value",
        {
            "email": "E-mail 1 - Value",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Organization Name",
            "job_title": "Organization Title",
            "phone": "Phone 1 - Value",
            "website": "Website 1 - Value",
        },
    ),
    "Google Contacts, before 2024": (
        "Name,Given Name,Additional Name,Family Name,Yomi Name,Group Membership,E-mail 1 - Type,"
        "E-mail 1 - Value,Phone 1 - Type,Phone 1 - Value,Organization 1 - Type,Organization 1 - Name,"
        "Organization 1 - Title",
        {
            "email": "E-mail 1 - Value",
            "first_name": "Given Name",
            "last_name": "Family Name",
            "company_name": "Organization 1 - Name",
            "job_title": "Organization 1 - Title",
            "phone": "Phone 1 - Value",
        },
    ),
}


def plan(header: str, columns: dict[str, str | None] | None = None) -> ColumnPlan:
    return plan_columns(header.split(","), columns, "leads.csv, line 1")


def fields(found: ColumnPlan) -> dict[str, str]:
    return {field: name for name, field in zip(found.header, found.fields, strict=True) if field}


class TestKnownHeaders:
    @pytest.mark.parametrize("program", EXPORTS)
    def test_export_becomes_fields_and_custom_variables(self, program: str) -> None:
        header, expected = EXPORTS[program]
        found = plan(header)
        assert fields(found) == expected
        others = [name for name in header.split(",") if name not in expected.values()]
        assert [name for name in found.variables if name] == others
        assert found.near_misses() == {}

    @pytest.mark.parametrize(
        "header", ["email", "Email", "E-Mail", "EMAIL ADDRESS", "email_address", "emailAddress", " E-mail "]
    )
    def test_spelling_of_a_header_does_not_count(self, header: str) -> None:
        assert plan(header).fields == ("email",)

    def test_exact_name_of_a_field_comes_first(self) -> None:
        found = plan("Email,email,Company Name for Emails,company_name")
        assert fields(found) == {"email": "email", "company_name": "company_name"}

    def test_every_field_of_a_lead_has_its_headers(self) -> None:
        assert set(KNOWN_HEADERS) == LEAD_FIELDS


class TestColumns:
    def test_columns_override_the_known_headers(self) -> None:
        found = plan(
            "Email,Work Email,Company,Trading Name,Notes,City,Plan",
            {"Work Email": "email", "Trading Name": "company_name", "Notes": None, "City": "town"},
        )
        assert fields(found) == {"email": "Work Email", "company_name": "Trading Name"}
        assert found.variables == ("Email", None, "Company", None, None, "town", "Plan")

    def test_column_with_the_name_of_a_mapped_field_is_left_out(self) -> None:
        found = plan("email,Work Email", {"Work Email": "email"})
        assert (fields(found), found.variables) == ({"email": "Work Email"}, (None, None))
        assert str(found) == "2 columns -> email; left out: email"

    def test_empty_columns_turn_the_known_headers_off(self) -> None:
        found = plan("email,First Name,company_size,compnay_name,domains", {})
        assert found.variables == (None, "First Name", "company_size", "compnay_name", "domains")
        assert found.near_misses() == {}

    def test_repeated_header_can_be_left_out(self) -> None:
        found = plan("Phone,Email,Phone", {"Phone": None})
        assert (found.fields, found.variables) == ((None, "email", None), (None, None, None))

    @pytest.mark.parametrize(
        ("header", "columns", "message"),
        [
            ("Email", {}, "Did you mean 'Email'? Set columns={'Email': 'email'}"),
            ("Emial,City", None, "Did you mean 'Emial'? Set columns={'Emial': 'email'}"),
            ("E-Mail-Adresse (privat)", None, "Did you mean 'E-Mail-Adresse (privat)'?"),
            ("name,city", None, "line 1: no column 'email', 'Email Address' or the like. Set columns="),
            ("email,City,City", None, "'City' more than once. Rename all but one, or leave them out with "
             "columns={'City': None}."),
            ("email,city", {"City": "x"}, "names 'City', which is not in the header. Did you mean 'city'?"),
            ("email,a,b", {"a": "x", "b": "x"}, "columns maps more than one column to x"),
            ("email,a,b", {"a": "b"}, "more than one column becomes the custom variable b"),
            ("a@b.c,Topsecret", None, "line 1: this line is a lead, not a header"),
            ("a@b.c,Topsecret", {"Email": "email"}, "line 1: this line is a lead, not a header"),
        ],
    )  # fmt: skip
    def test_wrong_header_or_columns_are_refused(
        self, header: str, columns: dict[str, str | None] | None, message: str
    ) -> None:
        with pytest.raises(ValueError) as raised:  # noqa: PT011
            plan(header, columns)
        assert message in str(raised.value)
        assert "Topsecret" not in str(raised.value)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (["email"], "columns must be a mapping of headers to fields, got list"),
            ({1: "email"}, "columns must have strings as keys, got 1"),
            ({"Mail": ""}, "must be a field of a lead, a custom variable or None, got ''"),
            ({"Mail": ["email"]}, "must be a field of a lead, a custom variable or None"),
            ({"Mail": "E-Mail"}, "'E-Mail' is not a field. Did you mean 'email'?"),
            ({"Firma": "companyName"}, "'companyName' is not a field. Did you mean 'company_name'?"),
            ({"A": "email", "B": "email"}, "columns maps more than one column to email"),
        ],
    )
    def test_columns_that_fit_no_file_are_refused(self, columns: Any, message: str) -> None:
        with pytest.raises(ValueError) as raised:  # noqa: PT011
            check_columns(columns)
        assert message in str(raised.value)


class TestPlan:
    def test_plan_is_one_line(self) -> None:
        found = plan("Email,First Name,Company,city,plan")
        assert str(found) == "5 columns -> email, first_name, company_name; custom: city, plan"
        assert str(plan("email,,note,", {"note": None})) == "2 columns -> email; left out: note"

    def test_second_email_column_is_named(self) -> None:
        found = str(plan("professionalEmail,email,city"))  # as Phantombuster exports
        assert found.endswith(
            "; custom: professionalEmail, city; the address is from email, not from professionalEmail"
        )
        chosen = str(plan("professionalEmail,email", {"professionalEmail": "email"}))
        assert chosen == "2 columns -> email; left out: email"

    @pytest.mark.parametrize(
        ("header", "misses"),
        [
            ("Email,Frist Name,City", {"Frist Name": "first_name"}),
            ("Email,Compnay,Job Tittle", {"Compnay": "company_name", "Job Tittle": "job_title"}),
            ("Email,Email Adress,Phone,Phone Nummber", {}),  # these fields have a column already
            ("Email,Email Status,City,Company Phone,Last Contacted", {}),
            ("Email,Company Size,company_country,company_id,employees,domains,Company Email,List", {}),
        ],
    )
    def test_near_misses_of_free_fields_are_found(self, header: str, misses: dict[str, str]) -> None:
        assert plan(header).near_misses() == misses

    def test_row_becomes_a_lead_without_empty_cells(self) -> None:
        build = plan("email,First Name,lt_interest_status,city,plan,").builder()
        assert build(["a@b.c", " Ada ", "-3", "", " pro", ""]) == {
            "email": "a@b.c",
            "first_name": "Ada",
            "lt_interest_status": -3,
            "custom_variables": {"plan": "pro"},
        }
        assert build(["a@b.c", "", " ", "", "", ""]) == {"email": "a@b.c"}

    @pytest.mark.parametrize(
        "cell", ["#N/A", "NULL", "N/A", "nan", "-", " NaN ", "None", "\\N", "[NULL]", "<NA>", "#DIV/0!"]
    )
    def test_cell_that_means_no_value_is_left_out(self, cell: str) -> None:
        build = plan("email,first_name,lt_interest_status,phone,note").builder()
        assert build(["a@b.c", cell, cell, cell, cell]) == {"email": "a@b.c"}

    def test_name_like_such_a_cell_stays(self) -> None:
        build = plan("email,first_name,last_name,company_name,note").builder()
        named = build(["a@b.c", "Nan", "Null", "Na/N", ""])
        assert list(named.values()) == ["a@b.c", "Nan", "Null", "Na/N"]
