"""Sizes as people say them."""

from __future__ import annotations

import pytest

from omnidaemon.domain.sizes import limit_text, size_text


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1001, "1,001 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (2**20 - 1, "1 MiB"),
        (2**20, "1 MiB"),
        (20_000_002, "19.1 MiB"),
        (2**30 - 1, "1 GiB"),
        (1234 * 2**30 + 2**29, "1,234.5 GiB"),
    ],
)
def test_a_size_is_said_in_a_fitting_unit(count, said):
    """Those of the limits' defaults, which are powers of two."""
    assert size_text(count) == said


@pytest.mark.parametrize(
    ("count", "most", "said"),
    [
        (20_000_002, 2**24, "19.1 MiB (20,000,002 bytes), the limit is 16 MiB (NAME=16777216)"),
        (2**20 + 2, 2**20, "1 MiB (1,048,578 bytes), the limit is 1 MiB (NAME=1048576)"),
        (12, 3, "12 bytes, the limit is 3 bytes (NAME=3)"),
    ],
)
def test_a_limit_is_told_with_what_changes_it(count, most, said):
    assert limit_text(count, most, "NAME") == said
