"""What one external component may use."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class ComponentLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one component may use; the configuration's `[components.limits]` sets them."""

    connections: Count = 16
    #: Stanzas that wait while the component is away, and their bytes.
    queued_stanzas: Count = 1000
    queued_bytes: Count = 8_388_608
    #: How long they wait.
    away_s: Seconds = 30.0
    #: Requests that the component has not answered yet, and how long each may take.
    open_requests: Count = 10_000
    answer_s: Seconds = 120.0
    #: Bytes that wait for a connection to read; past them stanzas are refused.
    outbox_bytes: Annotated[int, Meta(ge=1_048_576)] = 16_777_216
    #: A connection that has not read for so long while stanzas were refused is cut off.
    stalled_s: Seconds = 60.0
    #: Bytes that are read from one connection on average; 0 is no limit.
    bytes_per_s: Annotated[int, Meta(ge=0)] = 0
