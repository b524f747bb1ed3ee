"""What is too long for an XCom, and where it goes instead.

An XCom is kept in Airflow's database and handed through its API, so it has to be small: HTML, a PDF and the
lists of an analysis belong into a file, or into object storage, and the XCom holds the path.
"""

from __future__ import annotations

import json
from typing import IO, Any, cast

# What an XCom of this provider may take as JSON, in bytes.
MAX_XCOM_BYTES = 256 * 1024


def write(path: str, content: bytes) -> str:
    """Write a file, and return its path as it can be read again.

    :param path: a file path, or any URL that Airflow's ``ObjectStoragePath`` can write.
    :raises OSError: it cannot be written; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        target = ObjectStoragePath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except Exception as error:
        # What a file system of the user's says about a bucket is its own; the path has to be in it.
        raise OSError(f"Cannot write {path!r}: {type(error).__name__}: {error}") from error
    return str(target)


def read_text(path: str) -> str:
    """Read a UTF-8 file as a whole.

    :raises OSError: it cannot be read; names the path.
    """
    with open_text(path) as file:
        try:
            return file.read()
        except Exception as error:
            raise OSError(f"Cannot read {path!r}: {type(error).__name__}: {error}") from error


def open_text(path: str) -> IO[str]:
    """Open a UTF-8 file to be read line by line; line ends stay as they are.

    :raises OSError: it cannot be opened; names the path.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        source: Any = ObjectStoragePath(path)
        file = source.open("r", encoding="utf-8", newline="")
        # Airflow 2 wraps the file in one that cannot be read line by line.
        return cast("IO[str]", file if hasattr(type(file), "__iter__") else file._obj)
    except Exception as error:
        raise OSError(f"Cannot read {path!r}: {type(error).__name__}: {error}") from error


def check_small(result: Any, advice: str) -> None:
    """Refuse an XCom that is too long.

    :param advice: what to do about it.
    :raises ValueError: it is; says how long.
    """
    size = len(json.dumps(result, default=str))
    if size > MAX_XCOM_BYTES:
        raise ValueError(
            f"The result takes {size:,} bytes, too long for an XCom ({MAX_XCOM_BYTES:,}): {advice}"
        )


def check_path(value: Any, name: str) -> None:
    """Refuse what can be no path.

    :raises ValueError: names the argument.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text that is not empty, got {value!r}.")
