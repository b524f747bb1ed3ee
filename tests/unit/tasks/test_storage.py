from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec import AbstractFileSystem

from airflow_provider_campaigns.tasks import storage
from tests.support.airflow_versions import attach


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_file_is_read_from_the_path_that_write_returned(tmp_path: Path, scheme: str) -> None:
    target = tmp_path / "a folder" / "of its own" / "é.html"
    written = storage.write(f"{scheme}{target}", "<p>é 😀\r\n</p>\n".encode())
    assert written == f"{scheme}{target}"
    assert target.read_bytes() == "<p>é 😀\r\n</p>\n".encode()
    assert storage.read_text(written) == "<p>é 😀\r\n</p>\n"
    with storage.open_text(written) as lines:
        assert list(lines) == ["<p>é 😀\r\n", "</p>\n"]


def test_existing_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "x.html"
    storage.write(str(target), b"a longer text")
    storage.write(str(target), b"short")
    assert target.read_bytes() == b"short"


def unwritable(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "a file").write_text("x")
    return {
        "a folder": str(tmp_path),
        "below a file": str(tmp_path / "a file" / "x"),
        "a read-only folder": "/proc/no/such/folder/x",
        "no such scheme": "nosuch://bucket/x",
    }


@pytest.mark.parametrize("kind", ["a folder", "below a file", "a read-only folder", "no such scheme"])
def test_error_of_a_write_names_the_path(tmp_path: Path, kind: str) -> None:
    path = unwritable(tmp_path)[kind]
    with pytest.raises(OSError, match=re.escape(f"Cannot write {path!r}: ")) as raised:
        storage.write(path, b"x")
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("read", [storage.read_text, storage.open_text])
@pytest.mark.parametrize("path", ["/no/such/file", "/", "nosuch://bucket/x", "a\0b"])
def test_error_of_a_read_names_the_path(read: Any, path: str) -> None:
    with pytest.raises(OSError, match=re.escape(f"Cannot read {path!r}: ")):
        read(path)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("<p>s3cret é".encode("latin-1"), "(line 1). It looks like Latin-1 or Windows-1252. Convert it with"),
        ("<p>\n\né".encode("latin-1"), "(line 3)"),
        (
            "<p>é".encode("latin-1"),
            "`iconv -f WINDOWS-1252 -t UTF-8 old.html > new.html`, or save it as UTF-8 in",
        ),
        ("<p>é".encode("utf-16"), "iconv -f UTF-16 "),
        ("<p>a".encode("utf-16-le"), "iconv -f UTF-16LE "),
        (
            '<meta charset="koi8-r">Привет'.encode("koi8-r"),
            "looks like koi8-r, which it names as its charset",
        ),
        ("<meta content='text/html; charset=koi8-r'>Привет".encode("koi8-r"), "iconv -f koi8-r "),
        ('<meta charset="utf-8">é'.encode("latin-1"), "iconv -f WINDOWS-1252 "),
        ('<meta charset="iso-8859-1">é'.encode("latin-1"), "iconv -f WINDOWS-1252 "),
        ('<meta charset="unknown">é'.encode("latin-1"), "iconv -f WINDOWS-1252 "),
        (b"PK\x03\x04\xff", "looks like a ZIP file"),
    ],
)
def test_file_that_is_not_utf_8_is_refused_with_the_command(
    tmp_path: Path, content: bytes, named: str
) -> None:
    path = tmp_path / "spring.html"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path}: the file is not UTF-8")) as raised:
        storage.read_text(str(path))
    assert named in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert type(raised.value) is ValueError  # UnicodeDecodeError would hold the bytes of the file


class BrokenFileSystem(AbstractFileSystem):
    """An object store whose connection breaks while a file is read."""

    protocol = "broken"

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        class Breaking(io.BytesIO):
            def read(self, *_: Any) -> bytes:
                raise ConnectionResetError("the store closed it")

            read1 = read

        return Breaking()


@pytest.mark.filterwarnings("ignore:UPath 'broken'")
def test_error_in_the_middle_of_a_file_names_the_path() -> None:
    fsspec.register_implementation("broken", BrokenFileSystem, clobber=True)
    attach(protocol="broken", fs=BrokenFileSystem())
    with pytest.raises(OSError, match=r"Cannot read 'broken://bucket/x': .*the store closed it"):
        storage.read_text("broken://bucket/x")


def test_xcom_of_256_kib_is_accepted_and_a_longer_one_is_not() -> None:
    fits = "x" * (storage.MAX_XCOM_BYTES - 2)  # JSON adds two quotes
    storage.check_xcom_size(fits, "write shorter texts.")
    with pytest.raises(ValueError, match=r"262,145 bytes.*\(262,144\): write shorter texts\."):
        storage.check_xcom_size(fits + "x", "write shorter texts.")


def test_xcom_size_is_that_of_its_json() -> None:
    """Airflow writes JSON in ASCII, where one letter can take six bytes or more."""
    with pytest.raises(ValueError, match="bytes"):
        storage.check_xcom_size({"html": "é" * (storage.MAX_XCOM_BYTES // 4)}, "x")


class TestSignedUrls:
    URL = "http://127.0.0.1:9/leads.csv?X-Signature=Topsecret"

    @pytest.mark.parametrize(
        "use", [storage.read_text, storage.open_text, lambda url: storage.write(url, b"x")]
    )
    def test_query_of_a_url_is_in_no_error(self, use: Any) -> None:
        with pytest.raises(OSError, match=r"leads\.csv\?…") as raised:
            use(self.URL)
        assert "Topsecret" not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__

    def test_error_while_reading_names_the_path(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text("x")
        with (
            pytest.raises(OSError, match=re.escape(f"Cannot read {str(path)!r}: KeyError")),
            storage.opened_text(str(path)),
        ):
            raise KeyError("of the file system")
        with pytest.raises(ValueError, match="about the content"), storage.opened_text(str(path)):
            raise ValueError("about the content")


SIGNED = "nosuch://bucket/x.html?X-Amz-Signature=s3cret"


@pytest.mark.parametrize("use", [storage.read_text, lambda path: storage.write(path, b"x")])
def test_error_hides_the_signature_of_a_url(use: Any) -> None:
    with pytest.raises(OSError, match=r"nosuch://bucket/x\.html\?…") as raised:
        use(SIGNED)
    assert "s3cret" not in f"{raised.value}{raised.value.__cause__}"


def test_byte_order_mark_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    path.write_bytes("\ufeff<p>é</p>".encode())
    assert storage.read_text(str(path)) == "<p>é</p>"
