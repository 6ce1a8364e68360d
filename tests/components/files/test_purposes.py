"""Purposes: how long files are kept."""

from __future__ import annotations

import pytest

from components.xmpp_files.purposes import Purpose, Retention, moment, stamp

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("keep_s", "expire_before", "expires"),
    [
        (100, None, NOW + 100),
        (0, None, None),
        (100, NOW + 5, NOW + 5),
        (100, NOW + 500, NOW + 100),
        (0, NOW + 5, NOW + 5),
    ],
)
def test_the_earlier_end_counts(keep_s, expire_before, expires):
    assert Retention(keep_s, 0).expires(NOW, expire_before) == expires


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-09-10T23:08:25Z", 1_757_545_705),
        ("2025-09-11T01:08:25.900+02:00", 1_757_545_705),
        ("2025-09-10T23:08:25", None),
        ("2025-09-10", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_moments_are_those_of_xep_0082(text, seconds):
    assert moment(text) == seconds


def test_stamps_are_read_as_they_are_written():
    assert moment(stamp(NOW)) == NOW


def test_features_are_those_of_the_specification():
    assert Purpose.EPHEMERAL.feature == "urn:xmpp:http:upload:purpose:0#ephemeral"
