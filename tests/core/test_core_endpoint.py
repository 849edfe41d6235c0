"""Endpoints: read as they are written, or refused; never guessed."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdzv_core.endpoint import HostPort, parse_endpoint, parse_endpoints


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("node1", "node1", 29400),
        ("node1:80", "node1", 80),
        (" node1:80 ", "node1", 80),
        ("127.0.0.1", "127.0.0.1", 29400),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("", "localhost", 29400),
        (":81", "localhost", 81),
        ("my_host.example.", "my_host.example.", 29400),
    ],
)
def test_B7_a_port_that_is_not_given_is_the_default_one(text: str, host: str, port: int) -> None:
    """B7: host, host:port, :port and nothing at all are read; what is missing has its default."""
    assert HostPort(host, port) == parse_endpoint(text, 29400)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("::1", "::1", 29400),
        ("::", "::", 29400),
        ("[::1]", "::1", 29400),
        ("[::1]:80", "::1", 80),
        ("fe80::1%eth0", "fe80::1%eth0", 29400),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1", 29400),
    ],
)
def test_E17_ipv6_addresses_are_read_and_kept(text: str, host: str, port: int) -> None:
    """E17: `::1` is an address without a port, and no address is replaced by another name."""
    assert HostPort(host, port) == parse_endpoint(text, 29400)


@pytest.mark.parametrize(
    "text",
    [
        "[::1",
        "::1]",
        "[::1]80",
        "[::1]:",
        "[node]:80",
        "[]:80",
        "host:99999",
        "host:65536",
        "host:",
        "host:x",
        "host: 80",
        "host:-1",
        "host:\uff18\uff10",
        "host:" + "9" * 5000,
        "12:34:56",
        "1:2:3:4:5:6:7:8:9",
        "fe80::1%",
        "fe80::1%a b",
        "tcp://host:80",
        "ho st",
        "-host",
        "host/path",
        "a,b",
        "hôst",
        "\0",
    ],
)
def test_E17_a_malformed_endpoint_is_refused_by_name(text: str) -> None:
    """E17: what is not an endpoint is a ValueError that shows it."""
    with pytest.raises(ValueError, match="endpoint") as caught:
        parse_endpoint(text, 29400)
    assert repr(text) in str(caught.value)


def test_several_endpoints_are_separated_by_commas() -> None:
    """A list is read in its order; an empty part is refused."""
    assert [HostPort("a", 1), HostPort("::1", 2379)] == parse_endpoints("a:1, ::1", 2379)
    for text in ("", "a,", ",", "a,,b"):
        with pytest.raises(ValueError, match="endpoint"):
            parse_endpoints(text, 2379)


hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6, network=ipaddress.IPv6Network("fe80::/10")).map(lambda address: f"{address}%eth0"),
)


@given(hosts, st.integers(0, 65535))
def test_what_is_written_is_read_again(host: str, port: int) -> None:
    """str and parse_endpoint are each other's inverse."""
    assert HostPort(host, port) == parse_endpoint(str(HostPort(host, port)), 1)


@given(st.text(alphabet="[]:%.,-ab01 é\0", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes anything but an endpoint or a ValueError, and what was read is read the same again."""
    try:
        read = parse_endpoint(text, 29400)
    except ValueError:
        return
    assert read == parse_endpoint(str(read), 1)


@pytest.mark.parametrize(
    ("text", "scheme", "rest"),
    [
        ("http://h:2379", "http://", "h:2379"),
        ("HTTPS://h:2379/", "HTTPS://", "h:2379"),
        ("tcp://[::1]:29400", "tcp://", "[::1]:29400"),
        ("http://", "http://", "host[:port]"),
    ],
)
def test_a_url_is_refused_with_what_to_give_instead(text: str, scheme: str, rest: str) -> None:
    """An endpoint is not a URL: the protocol is an option. The error shows the endpoint without the scheme."""
    for read in (parse_endpoint, parse_endpoints):
        with pytest.raises(ValueError, match=re.escape(f"leave out '{scheme}': give {rest}")):
            read(text, 29400)
