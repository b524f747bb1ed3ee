"""Files and object storage, for what is too long for an XCom.

An XCom is stored in Airflow's database, so it has to be small. HTML, a PDF and the lists of an analysis are
written to a file or to object storage, and the XCom holds the path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from airflow_provider_campaigns.airflow_compat import line_reader
from airflow_provider_campaigns.api.values import hide_url_secrets

# The longest XCom of this provider as JSON, in bytes.
MAX_XCOM_BYTES = 256 * 1024


def write(path: str, content: bytes) -> str:
    """Write a file, and return the path under which it can be read again.

    :param path: a file path, or any URL that Airflow's ``ObjectStoragePath`` can write.
    :raises OSError: it cannot be written; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    with _errors_with("Cannot write", path):
        target = ObjectStoragePath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return str(target)


def read_text(path: str) -> str:
    """Return the content of a UTF-8 file, without a byte order mark.

    :raises OSError: it cannot be read; names the path.
    """
    with open_text(path) as file, _errors_with("Cannot read", path):
        return file.read().removeprefix("\ufeff")


def open_text(path: str) -> IO[str]:
    """Open a UTF-8 file to be read line by line, with its line ends unchanged.

    :raises OSError: it cannot be opened; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    with _errors_with("Cannot read", path):
        source: Any = ObjectStoragePath(path)
        return line_reader(source.open("r", encoding="utf-8", newline=""))


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


@contextmanager
def _errors_with(what: str, path: str) -> Iterator[None]:
    """Name the path in every error, which a file system may not do, and hide the signature of a URL."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - raised again with the path
        reason = f"{type(error).__name__}: {error}"
        shown = hide_url_secrets(reason)
        raise OSError(f"{what} {hide_url_secrets(path)!r}: {shown}") from (error if shown == reason else None)
