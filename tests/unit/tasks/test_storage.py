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
def test_what_was_written_is_read_again_from_the_path_that_it_was_written_to(
    tmp_path: Path, scheme: str
) -> None:
    target = tmp_path / "a folder" / "of its own" / "é.html"
    written = storage.write(f"{scheme}{target}", "<p>é 😀\r\n</p>\n".encode())
    assert written == f"{scheme}{target}"
    assert target.read_bytes() == "<p>é 😀\r\n</p>\n".encode()
    assert storage.read_text(written) == "<p>é 😀\r\n</p>\n"
    with storage.open_text(written) as lines:
        assert list(lines) == ["<p>é 😀\r\n", "</p>\n"]


def test_what_stood_there_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "x.html"
    storage.write(str(target), b"a longer text")
    storage.write(str(target), b"short")
    assert target.read_bytes() == b"short"


def unwritable(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "a file").write_text("in the way")
    return {
        "a folder": str(tmp_path),
        "below a file": str(tmp_path / "a file" / "x"),
        "where nobody may": "/proc/no/such/folder/x",
        "no such scheme": "nosuch://bucket/x",
    }


@pytest.mark.parametrize("kind", ["a folder", "below a file", "where nobody may", "no such scheme"])
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, kind: str) -> None:
    path = unwritable(tmp_path)[kind]
    with pytest.raises(OSError, match=re.escape(f"Cannot write {path!r}: ")) as raised:
        storage.write(path, b"x")
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("read", [storage.read_text, storage.open_text])
@pytest.mark.parametrize("path", ["/no/such/file", "/", "nosuch://bucket/x", "a\0b"])
def test_a_path_that_cannot_be_read_is_named(read: Any, path: str) -> None:
    with pytest.raises(OSError, match=re.escape(f"Cannot read {path!r}: ")):
        read(path)


@pytest.mark.parametrize("content", [b"\xff\xfe<\0p\0>\0", "é".encode("latin-1"), b"<p>" + b"\xc3"])
def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spring.html"
    path.write_bytes(content)
    with pytest.raises(OSError, match=re.escape(f"Cannot read {str(path)!r}: ") + ".*utf-8"):
        storage.read_text(str(path))


class Gone(AbstractFileSystem):
    """An object store whose connection breaks while a file is read."""

    protocol = "gone"

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        class Breaking(io.BytesIO):
            def read(self, *_: Any) -> bytes:
                raise ConnectionResetError("the store hung up")

            read1 = read

        return Breaking()


@pytest.mark.filterwarnings("ignore:UPath 'gone'")
def test_a_file_that_breaks_off_while_it_is_read_is_named() -> None:
    fsspec.register_implementation("gone", Gone, clobber=True)
    attach(protocol="gone", fs=Gone())
    with pytest.raises(OSError, match=r"Cannot read 'gone://bucket/x': .*the store hung up"):
        storage.read_text("gone://bucket/x")


def test_an_xcom_of_256_kib_is_taken_and_a_longer_one_is_not() -> None:
    fits = "x" * (storage.MAX_XCOM_BYTES - 2)  # and two quotes
    storage.check_xcom_size(fits, "write shorter letters.")
    with pytest.raises(ValueError, match=r"262,145 bytes.*\(262,144\): write shorter letters\."):
        storage.check_xcom_size(fits + "x", "write shorter letters.")


def test_an_xcom_is_measured_as_it_is_written() -> None:
    """Airflow writes JSON in ASCII, where one letter may take six bytes or more."""
    with pytest.raises(ValueError, match="bytes"):
        storage.check_xcom_size({"html": "é" * (storage.MAX_XCOM_BYTES // 4)}, "x")


@pytest.mark.parametrize("bad", ["", "  ", None, 5, Path("x"), ["x"]])
def test_what_can_be_no_path_is_refused_by_the_arguments_name(bad: Any) -> None:
    with pytest.raises(ValueError, match="html_path must be a text that is not empty"):
        storage.check_path(bad, "html_path")
