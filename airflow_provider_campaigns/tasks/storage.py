"""Files and object storage, for what is too long for an XCom.

An XCom is stored in Airflow's database, so it has to be small. HTML, a PDF and the lists of an analysis are
written to a file or to object storage, and the XCom holds the path.
"""

from __future__ import annotations

import json
from typing import IO, Any

from airflow_provider_campaigns.airflow_compat import line_reader

# The longest XCom of this provider as JSON, in bytes.
MAX_XCOM_BYTES = 256 * 1024


def write(path: str, content: bytes) -> str:
    """Write a file, and return the path under which it can be read again.

    :param path: a file path, or any URL that Airflow's ``ObjectStoragePath`` can write.
    :raises OSError: it cannot be written; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        target = ObjectStoragePath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except Exception as error:
        # The error of a file system may not name the path.
        raise OSError(f"Cannot write {path!r}: {type(error).__name__}: {error}") from error
    return str(target)


def read_text(path: str) -> str:
    """Return the content of a UTF-8 file.

    :raises OSError: it cannot be read; names the path.
    """
    with open_text(path) as file:
        try:
            return file.read()
        except Exception as error:
            raise OSError(f"Cannot read {path!r}: {type(error).__name__}: {error}") from error


def open_text(path: str) -> IO[str]:
    """Open a UTF-8 file to be read line by line, with its line ends unchanged.

    :raises OSError: it cannot be opened; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        source: Any = ObjectStoragePath(path)
        return line_reader(source.open("r", encoding="utf-8", newline=""))
    except Exception as error:
        raise OSError(f"Cannot read {path!r}: {type(error).__name__}: {error}") from error


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


def check_path(value: Any, name: str) -> None:
    """Refuse a value that is not a path.

    :raises ValueError: names the argument.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a string that is not empty, got {value!r}.")
