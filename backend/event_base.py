"""What every event has."""

import msgspec


class EventBase(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    at: float = 0.0
    """Wall clock when it happened, seconds since 1970; for display only."""
