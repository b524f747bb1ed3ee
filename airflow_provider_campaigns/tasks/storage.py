"""Files and object storage, for what is too long for an XCom.

An XCom is stored in Airflow's database, so it has to be small. HTML, a PDF and the lists of an analysis are
written to a file or to object storage, and the XCom holds the path.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from airflow_provider_campaigns.airflow_compat import line_reader
from airflow_provider_campaigns.api.values import hide_url_secrets
from airflow_provider_campaigns.rules.file_encoding import not_utf8, utf16_without_mark

# The longest XCom of this provider as JSON, in bytes.
MAX_XCOM_BYTES = 256 * 1024


def write(path: str, content: bytes) -> str:
    """Write a file, and return the path under which it can be read again.

    :param path: a file path, or any URL that Airflow's ``ObjectStoragePath`` can write.
    :raises OSError: it cannot be written; names the path.
    """
    return write_file(path, io.BytesIO(content))


def write_file(path: str, content: IO[bytes]) -> str:
    """Copy an open file to a path, piece by piece, and return the path under which it can be read again.

    :param path: a file path, or any URL that Airflow's ``ObjectStoragePath`` can write.
    :raises OSError: it cannot be written; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    with _named_errors("write", path):
        target: Any = ObjectStoragePath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        return str(target)


def check_writable(path: str) -> None:
    """Create an empty file where there is none, so that a path that cannot be written fails before the work.

    The file is deleted again, where that is allowed.

    :raises OSError: it cannot be written; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    with _named_errors("write", path):
        target: Any = ObjectStoragePath(path)
        if target.is_dir():
            raise IsADirectoryError("it is a folder")
        if not target.exists():
            write(path, b"")
            with suppress(Exception):  # the account may be allowed to write only
                target.unlink()


def read_text(path: str) -> str:
    """Return the content of a UTF-8 file, without a byte order mark.

    :raises OSError: it cannot be read; names the path.
    :raises ValueError: it is not UTF-8; names the path and how to convert it.
    """
    try:
        with opened_text(path) as file:
            text = file.read()
    except UnicodeDecodeError as error:
        # Without the error, which holds the bytes of the file.
        raise not_utf8(hide_url_secrets(path), error) from None
    if "\0" in text[:2]:
        raise utf16_without_mark(hide_url_secrets(path), text)
    return text.removeprefix("\ufeff")


def open_text(path: str) -> IO[str]:
    """Open a UTF-8 file to be read line by line, with its line ends unchanged.

    :raises OSError: it cannot be opened; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    with _named_errors("read", path):
        source: Any = ObjectStoragePath(path)
        return line_reader(source.open("r", encoding="utf-8", newline=""))


@contextmanager
def opened_text(path: str) -> Iterator[IO[str]]:
    """Open a UTF-8 file as :func:`open_text` does, and close it.

    :raises OSError: it cannot be opened, or not read to its end; names the path.
    """
    with open_text(path) as file, _named_errors("read", path, but=ValueError):
        yield file


@contextmanager
def _named_errors(verb: str, path: Any, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Turn any error into one that names the path, because that of a file system may not.

    The query of a URL may be a signature, so it is left out, and so is a cause that may contain it.

    :param but: errors about the content, which stay as they are.
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        shown = hide_url_secrets(repr(path))
        text = f"Cannot {verb} {shown}: {type(error).__name__}: {hide_url_secrets(str(error))}"
        if shown != repr(path):
            raise OSError(text) from None
        raise OSError(text) from error


def check_xcom_size(result: Any, advice: str) -> None:
    """Refuse an XCom that is too long.

    :param advice: what to do about it.
    :raises ValueError: it is too long; names its size.
    """
    size = len(json.dumps(result, default=str))
    if size > MAX_XCOM_BYTES:
        raise ValueError(
            f"The result takes {size:,} bytes, too long for an XCom ({MAX_XCOM_BYTES:,}): {advice}"
        )
