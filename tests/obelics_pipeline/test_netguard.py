from __future__ import annotations

import socket

import pytest

from obelics_pipeline.netguard import BlockedAddress, Reach, guarded_socket, reach

ADDRESSES = {
    Reach.PUBLIC: (
        "8.8.8.8",
        "93.184.215.14",
        "172.32.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ),
    Reach.PRIVATE: (
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "::1",
        "fd12:3456::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:a00:1::",
    ),
    Reach.NEVER: (
        "0.0.0.0",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "5f00::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ),
}


@pytest.mark.parametrize(
    ("address", "expected"), [(address, who) for who, addresses in ADDRESSES.items() for address in addresses]
)
def test_reach(address: str, expected: Reach) -> None:
    assert reach(address) is expected


@pytest.mark.parametrize(
    ("address", "allow_private", "opened"),
    [
        pytest.param("8.8.8.8", False, True, id="public"),
        pytest.param("127.0.0.1", False, False, id="loopback"),
        pytest.param("127.0.0.1", True, True, id="loopback when allowed"),
        pytest.param("169.254.169.254", True, False, id="metadata even when private is allowed"),
    ],
)
def test_guarded_socket(address: str, allow_private: bool, opened: bool) -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80))
    if opened:
        guarded_socket(allow_private)(info).close()
    else:
        with pytest.raises(BlockedAddress):
            guarded_socket(allow_private)(info)
