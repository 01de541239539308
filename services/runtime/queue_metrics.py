"""What workers and publishers count."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

OUTCOMES = ("done", "returned", "dead", "stopped")
"""done: acknowledged; returned: failed, to be delivered again; dead: given up; stopped: given
back since its worker stops."""

HANDLED = Counter(
    "stillhouse_messages_handled_total", "Messages of a queue by how their handling ended.",
    ["stream", "outcome"],
)  # fmt: skip
REDELIVERED = Counter(
    "stillhouse_messages_redelivered_total", "Deliveries of a message after its first.", ["stream"]
)
HELD = Counter(
    "stillhouse_messages_held_total", "Times a message had to wait for what its handler needs.",
    ["stream"],
)  # fmt: skip
HANDLING = Histogram(
    "stillhouse_message_seconds", "Seconds from a message's delivery to the end of its handling.",
    ["stream"], buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800),
)  # fmt: skip
UNDER_WAY = Gauge("stillhouse_messages_under_way", "Messages that a worker holds.", ["stream"])

PUBLISHED = Counter(
    "stillhouse_messages_published_total", "Messages that the broker has stored.", ["queue"]
)
WAITS = Counter(
    "stillhouse_publish_waits_total",
    "Times a message could not be stored at once: full (its stream is), broker (it is away).",
    ["reason"],
)
for _reason in ("full", "broker"):
    WAITS.labels(_reason)
