"""What an RSU holds of all twins, as a ROS message."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from veaat_migration import msg
from veaat_migration.nodes.specification import number

if TYPE_CHECKING:
    from veaat_migration.nodes.twin_host import TwinHost


def host_status(node: TwinHost, now: float) -> msg.HostStatus:
    """Everything but the header; in the thread of the node's machine."""
    host, custody = node.host, node.host.custody
    standing = node.merit.now
    message = msg.HostStatus(
        rsu_id=node.rsu_id,
        session=node.session,
        x=number(node.values, "x"),
        y=number(node.values, "y"),
        coverage_radius=number(node.values, "coverage_radius"),
        quality=standing.quality if node.offers else math.nan,
        reputation=standing.reputation,
        merit=standing.merit,
        queue_length=node.bench.length(now),
        actions=node.actions,
        messages_rejected=host.rejected,
    )
    copies = [
        (slot, copy)
        for slot, table in (("held", custody.held), ("coming", custody.coming))
        for copy in table.values()
    ]
    images: dict[tuple[int, int], int] = {}
    for slot, copy in copies:
        there = custody.received(copy)
        images[copy.av_id, copy.image] = there
        message.av_ids.append(copy.av_id)
        message.kinds.append(int(copy.kind))
        message.acting.append(slot == "held" and host.acts(copy.av_id, now))
        message.epochs.append(copy.epoch)
        message.versions.append(copy.version)
        message.sizes.append(copy.size)
        message.bytes_done.append(min(there, copy.size))
        message.other_ids.append(copy.other_id)
        message.leases.append(host.lease_left(copy.av_id, now) if slot == "held" else 0.0)
    message.stored = sum(images.values())
    return message
