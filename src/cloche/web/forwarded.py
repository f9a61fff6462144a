"""Who called, where a proxy stands in front: forwarded headers count only from proxies that were named. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from cloche.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_HOPS = 20


class Proxies:
    """
    The proxies that were named; none by default.

    Raises:
        UsageError: one is neither an address nor a network.
    """

    def __init__(self, named: Sequence[str] = ()) -> None:
        self._networks = tuple(_network(one) for one in named)

    def __contains__(self, peer: str | None) -> bool:
        address = _address(peer or "") if self._networks else None
        return address is not None and any(address in network for network in self._networks)

    def client(self, peer: str | None, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """
        The address that called: *peer*, or what the named proxies say of it.

        Every proxy appends whom it was called by, so the list is read from its end up to the first address that is
        no named proxy; what stands before that was written by the caller.
        """
        if peer not in self:
            return peer
        hops = ",".join(_values(headers, b"x-forwarded-for")).split(",")
        found = peer
        for hop in reversed(hops[-_MOST_HOPS:]):
            address = _address(_without_port(hop.strip()))
            if address is None:
                break
            found = str(address)
            if found not in self:
                break
        return found

    def scheme(self, peer: str | None, headers: Sequence[tuple[bytes, bytes]], otherwise: str) -> str:
        """`http` or `https`: how the caller reached the outermost proxy, as a named one says."""
        if peer not in self:
            return otherwise
        last = ",".join(_values(headers, b"x-forwarded-proto")).rpartition(",")[2].strip().lower()
        return last if last in ("http", "https") else otherwise


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UsageError(
            f"forwarded_allow: expected an address or a network such as 10.0.0.0/8, got '{text}'"
        ) from None
