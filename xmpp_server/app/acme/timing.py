"""When to renew a certificate, and when to look after it again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from xmpp_server.net.certificates import KeyPair

#: A certificate is renewed when so much of its time is over.
RENEW_AFTER = 2 / 3
#: So often everything is looked at: a CA may want a certificate renewed early (RFC 9773), DNS may know more names.
LOOK_S = 12 * 3600.0
#: The wait after a failure; it doubles with each. CAs count failures, and shut out who has many in an hour.
FIRST_WAIT_S = 300.0
#: Nobody comes at the same second as all who have made their certificates on the same day.
JITTER = 0.1


def renewal_time(pair: KeyPair) -> datetime:
    """Return when a certificate is to be renewed, unless its CA says something else."""
    leaf = pair.chain[0]
    lifetime: timedelta = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    return leaf.not_valid_before_utc + lifetime * RENEW_AFTER


def next_look_s(renew_at: float | None, failures: int, now: float, choose: random.Random) -> float:
    """Return how long to wait before the next look.

    Args:
        renew_at: When the next certificate is due, as far as that is known; seconds since the epoch.
        failures: How often it has failed in a row.
        now: Seconds since the epoch.
        choose: What makes the jitter.

    """
    if failures:
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 10), LOOK_S)
        return wait_s * choose.uniform(1 - JITTER, 1 + JITTER)
    wait_s = LOOK_S * choose.uniform(1 - JITTER, 1)
    return wait_s if renew_at is None else max(min(wait_s, renew_at - now), 1.0)
