"""Settings that could never work are refused before anything is sent."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dockd.archive.s3.settings import MIB, Credentials, S3Settings
from dockd.dsse import SigningKey

SOUND: dict[str, Any] = {
    "url": "https://s3.example.org",
    "bucket": "evidence",
    "dock": "dock-1",
    "credentials": Credentials("AK", "SK"),
    "signing": SigningKey.generate(),
}


def test_an_archive_is_named_by_host_and_bucket_unless_the_admin_names_it() -> None:
    """What proofs call it does not hang on how it is reached, once the admin named it."""
    assert S3Settings(**SOUND).name == "s3:s3.example.org/evidence"
    assert S3Settings(**SOUND, archive_id="central").name == "central"
    assert "SK" not in repr(S3Settings(**SOUND))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "ftp://s3.example.org"}, "is not an http or https address"),
        ({"url": "https://s3.example.org/evidence"}, "must be the endpoint alone"),
        ({"url": "https://AK:SK@s3.example.org"}, "must be the endpoint alone"),
        ({"url": "http://s3.example.org"}, "plain http to another machine"),
        ({"bucket": "Evidence"}, "is not a name that S3 allows"),
        ({"prefix": "/docks/"}, "must be empty or end with a slash"),
        ({"credentials": Credentials("AK", "")}, "needs an access key and its secret"),
        ({"retain_days": 0}, "kept for a day at least"),
        ({"encryption": "rot13"}, "neither AES256 nor aws:kms"),
        ({"client_cert": Path("/x")}, "go together"),
        ({"part_bytes": 5 * MIB - 1}, "5242880 bytes at least"),
        ({"parts_at_once": 0}, "above zero"),
        ({"stall_s": 0.0}, "above zero"),
    ],
)
def test_each_wrong_setting_is_refused_in_words(wrong: dict[str, Any], words: str) -> None:
    """One at a time."""
    with pytest.raises(ValueError, match=words):
        S3Settings(**{**SOUND, **wrong})


def test_parts_grow_only_with_objects_that_would_take_too_many() -> None:
    """Ten thousand parts are the most that S3 takes; the size hangs on nothing but settings and object."""
    settings = S3Settings(**SOUND)
    assert [settings.part_bytes_for(size) for size in (0, 1, 80_000 * MIB)] == [8 * MIB] * 3
    assert settings.part_bytes_for(80_000 * MIB + 1) == 9 * MIB
    assert settings.part_bytes_for(5 * MIB**2) == 525 * MIB


def test_a_dock_with_another_archive_loads_nothing_of_s3s_client() -> None:
    """The whole daemon is imported, and all that it would run; botocore alone is tens of megabytes."""
    program = (
        "import sys, dockd.app, dockd.cli.run; print([name for name in sys.modules if name.startswith(('aioboto', 'boto'))])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout.strip() == "[]"
