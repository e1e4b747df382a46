"""Every form of address that QEMU's users know, and what each wrong one is told."""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.errors import AddressError, QmpxError
from qmpx.transport.address import (
    Address,
    FdAddress,
    ListenAddress,
    StdioAddress,
    TcpAddress,
    TelnetAddress,
    TlsAddress,
    UnixAddress,
    VsockAddress,
    default_address,
    is_loopback,
    parse_address,
    parse_listen_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/q.sock", UnixAddress("/run/q.sock")),
        ("unix:q.sock", UnixAddress("q.sock")),
        ("unix:/run/q.sock,server=on,wait=off", UnixAddress("/run/q.sock")),
        ("unix:/run/q.sock,server,nowait", UnixAddress("/run/q.sock")),
        ("unix:/run/q.sock,server=off,reconnect=5", UnixAddress("/run/q.sock")),
        ("unix:/run/a,,b.sock,server=on", UnixAddress("/run/a,b.sock")),
        ("unix:a,,,,b,,", UnixAddress("a,,b,")),
        ("unix:a,,,server", UnixAddress("a,")),
        ("unix:/run/a:1", UnixAddress("/run/a:1")),
        ("unix:/run/a=b.sock", UnixAddress("/run/a=b.sock")),
        ("unix:path=/run/a=b.sock,server=on", UnixAddress("/run/a=b.sock")),
        ("unix:server", UnixAddress("server")),
        ("unix:///run/q.sock", UnixAddress("///run/q.sock")),
        ("unix:@qmp", UnixAddress("qmp", abstract=True)),
        ("unix:@@", UnixAddress("@", abstract=True)),
        ("unix:qmp,abstract=on", UnixAddress("qmp", abstract=True)),
        ("unix:qmp,abstract,tight", UnixAddress("qmp", abstract=True)),
        ("unix:@qmp,abstract=on", UnixAddress("@qmp", abstract=True)),
        ("unix:@qmp,abstract=off", UnixAddress("@qmp")),
        ("unix:@qmp,noabstract", UnixAddress("@qmp")),
        ("unix:q,abstract=on,tight=off", UnixAddress("q", abstract=True, tight=False)),
        ("unix:q,tight=off", UnixAddress("q")),
        ("unix:q,abstract=off,abstract=on", UnixAddress("q", abstract=True)),
        ("unix:fd=7,server=on", FdAddress(7)),
        ("/run/q.sock", UnixAddress("/run/q.sock")),
        ("/run/a,b=c.sock,server=on", UnixAddress("/run/a,b=c.sock,server=on")),
        ("/run/a:1", UnixAddress("/run/a:1")),
        ("run:1/q.sock", UnixAddress("run:1/q.sock")),
        ("q.sock", UnixAddress("q.sock")),
        (".a:1", UnixAddress(".a:1")),
        ("socket", UnixAddress("socket")),
        ("pty", UnixAddress("pty")),
        ("@qmp", UnixAddress("qmp", abstract=True)),
        ("@/tmp/x:0", UnixAddress("/tmp/x:0", abstract=True)),
        ("tcp:127.0.0.1:4444", TcpAddress("127.0.0.1", 4444)),
        ("tcp:h:1,server=on,wait=off,nodelay=on,id=m", TcpAddress("h", 1)),
        ("tcp:h:1,keep-alive=on,telnet=off,tn3270=off", TcpAddress("h", 1)),
        ("tls:h:1", TlsAddress(TcpAddress("h", 1))),
        ("tls:[::1]:1,dir=/a,,b,name=n", TlsAddress(TcpAddress("::1", 1), "/a,b", "n")),
        ("tls:h:1,server=on,ipv4", TlsAddress(TcpAddress("h", 1, "ipv4"))),
        ("tcp:h:1,ipv4=on", TcpAddress("h", 1, "ipv4")),
        ("tcp:h:1,ipv4", TcpAddress("h", 1, "ipv4")),
        ("tcp:h:1,ipv6=off", TcpAddress("h", 1, "ipv4")),
        ("tcp:h:1,ipv4=on,ipv6=off", TcpAddress("h", 1, "ipv4")),
        ("tcp:h:1,ipv6=on", TcpAddress("h", 1, "ipv6")),
        ("tcp:h:1,noipv4", TcpAddress("h", 1, "ipv6")),
        ("tcp:h:1,ipv4=off,ipv6=yes", TcpAddress("h", 1, "ipv6")),
        ("tcp:h:1,ipv4=on,ipv6=on", TcpAddress("h", 1)),
        ("tcp::4444", TcpAddress("", 4444)),
        (":4444", TcpAddress("", 4444)),
        ("tcp:h:0", TcpAddress("h", 0)),
        ("tcp:h:65535", TcpAddress("h", 65535)),
        ("tcp:h.example.:1", TcpAddress("h.example.", 1)),
        ("tcp:hé.example:1", TcpAddress("hé.example", 1)),
        ("tcp:[::1]:4444,server=on", TcpAddress("::1", 4444)),
        ("[::1]:4444", TcpAddress("::1", 4444)),
        ("[fe80::1%eth0]:4444", TcpAddress("fe80::1%eth0", 4444)),
        ("localhost:4444", TcpAddress("localhost", 4444)),
        ("127.0.0.1:4444,server=on", TcpAddress("127.0.0.1", 4444)),
        ("socket,path=/run/q.sock,server=on,wait=off,id=m", UnixAddress("/run/q.sock")),
        ("socket,id=m,path=q,abstract=on", UnixAddress("q", abstract=True)),
        ("socket,host=::1,port=4444,id=m", TcpAddress("::1", 4444)),
        ("socket,host=,port=4444", TcpAddress("", 4444)),
        ("socket,id=m,fd=19", FdAddress(19)),
        ("unix:fd", UnixAddress("fd")),  # a name is one only with its value
        ("unix:path,server=on", UnixAddress("path")),
        ("stdio", StdioAddress()),
        ("stdio,id=m,signal=off,mux=off", StdioAddress()),
        ("fd:3", FdAddress(3)),
        ("fd:3,server=on", FdAddress(3)),
        ("vsock:2:4444", VsockAddress(2, 4444)),
        ("vsock:4294967295:4294967295", VsockAddress(2**32 - 1, 2**32 - 1)),
    ],
)
def test_a_text_that_users_know_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert type(parse_address(text)) is type(address)
    assert parse_address(str(address)) == address
    assert parse_address(address) is address


@pytest.mark.parametrize(
    ("members", "address"),
    [
        ({"type": "unix", "path": "/q,@"}, UnixAddress("/q,@")),
        ({"type": "unix", "data": {"path": "/q"}}, UnixAddress("/q")),
        (
            {"type": "unix", "path": "q", "abstract": True, "tight": False},
            UnixAddress("q", abstract=True, tight=False),
        ),
        ({"type": "inet", "host": "h", "port": "1"}, TcpAddress("h", 1)),
        ({"type": "inet", "host": "", "port": 1}, TcpAddress("", 1)),
        (
            {"type": "inet", "host": "h", "port": "1", "ipv6": False, "numeric": True},
            TcpAddress("h", 1, "ipv4"),
        ),
        ({"type": "vsock", "cid": "2", "port": "1"}, VsockAddress(2, 1)),
        ({"type": "fd", "str": "3"}, FdAddress(3)),
    ],
)
def test_the_form_of_qapi_is_read(members: object, address: Address) -> None:
    assert parse_address(json.dumps(members)) == address


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (UnixAddress("/run/a,b.sock"), "unix:/run/a,,b.sock"),
        (UnixAddress("/run/a=b.sock"), "unix:path=/run/a=b.sock"),
        (UnixAddress("fd=3"), "unix:path=fd=3"),
        (UnixAddress("@q"), "unix:@q,abstract=off"),
        (UnixAddress("q", abstract=True), "unix:q,abstract=on"),
        (UnixAddress("q", abstract=True, tight=False), "unix:q,abstract=on,tight=off"),
        (TcpAddress("", 4444), "tcp::4444"),
        (TcpAddress("::1", 4444, "ipv6"), "tcp:[::1]:4444,ipv6=on"),
        (FdAddress(3), "fd:3"),
        (StdioAddress(), "stdio"),
        (VsockAddress(2, 4444), "vsock:2:4444"),
    ],
)
def test_the_canonical_text_is_what_qemu_takes(address: Address, text: str) -> None:
    assert str(address) == text


HOSTS = st.one_of(
    st.just(""),
    st.ip_addresses().map(str),
    st.from_regex("[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{1,9})*", fullmatch=True),
)
PATHS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)
ADDRESSES: st.SearchStrategy[Address] = st.one_of(
    PATHS.map(UnixAddress),
    st.builds(
        functools.partial(UnixAddress, abstract=True),
        PATHS.filter(lambda text: len(text.encode()) < 108),
        tight=st.booleans(),
    ),
    st.builds(
        TcpAddress,
        HOSTS,
        st.integers(0, 65535),
        st.sampled_from(["any", "ipv4", "ipv6"]),
    ),
    st.builds(FdAddress, st.integers(0, 2**31 - 1)),
    st.builds(StdioAddress),
    st.builds(VsockAddress, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
)


@given(ADDRESSES)
def test_the_canonical_text_means_the_same_address(address: Address) -> None:
    assert parse_address(str(address)) == address


PIECES = st.sampled_from(
    ["unix:", "tcp:", "fd:", "vsock:", "socket,", "stdio", "path=", "host=", "port=",
     "fd=", "abstract", "=on", "=off", "[", "]", ":", ",", "/", "@", "{", "}", '"',
     "type", "inet", "1", "4444", "::1", "localhost", ".", "\ud800", "é"]
)  # fmt: skip


@given(st.one_of(st.lists(PIECES).map("".join), st.text()))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address


EMPTY = (
    "the address is empty: expected "
    "unix:PATH, a path, tcp:HOST:PORT, tls:HOST:PORT, fd:N, vsock:CID:PORT or stdio"
)
TCP = "expected tcp:HOST:PORT, for example tcp:127.0.0.1:4444"
UNIX = "expected unix:PATH, for example unix:/run/vm/qmp.sock"
NO_TELNET = "the telnet protocol is not supported; write tcp:HOST:PORT"
NO_TLS = "QEMU's credentials have no meaning here; write tls:HOST:PORT,dir=DIRECTORY"
GIVE = "give QEMU a socket, -qmp unix:PATH,server=on"
NO_CHARDEV = f"this chardev carries no monitor that could be connected to; {GIVE}"
ONE_SOCKET = "expected path=PATH, or host=HOST,port=PORT, or fd=N"
FOR_QEMU = (
    "delay, id, keep-alive, logappend, logfile, mptcp, mux, nodelay, numeric, "
    "reconnect, reconnect-ms, server, signal, wait"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", EMPTY),
        (" ", EMPTY),
        ("/a\0b", "address '/a\\x00b' holds a NUL character"),
        ("-", "address '-' cannot be used: expected stdio"),
        ("unix:", f"address 'unix:' has no path: {UNIX}"),
        ("unix:,server", f"address 'unix:,server' has no path: {UNIX}"),
        (
            "unix:path=",
            "address 'unix:path=': option 'path' has no value: expected path=VALUE",
        ),
        (
            "unix:@",
            "address 'unix:@' has an abstract name of 0 bytes: expected 1 to 107",
        ),
        (
            "unix:/\ud800",
            (
                "address 'unix:/\\ud800' holds '\\ud800': "
                "expected characters that the name of a file can have"
            ),
        ),
        (
            "unix:/a,",
            (
                "address 'unix:/a,' has an empty option: "
                "expected NAME=VALUE after a comma (a comma itself is ',,')"
            ),
        ),
        (
            "unix:/a,bogus=1",
            (
                "address 'unix:/a,bogus=1' has an unknown option 'bogus': "
                "known here are abstract, delay, id, keep-alive, logappend, logfile, "
                "mptcp, mux, nodelay, numeric, reconnect, reconnect-ms, server, "
                "signal, tight, wait"
            ),
        ),
        (
            "fd:3,ipv4=on",
            (
                "address 'fd:3,ipv4=on' has an unknown option 'ipv4': "
                f"known here are {FOR_QEMU}"
            ),
        ),
        (
            "unix:/a,abstract=maybe",
            (
                "address 'unix:/a,abstract=maybe': option 'abstract' is 'maybe': "
                "expected on or off"
            ),
        ),
        ("tcp:localhost", f"address 'tcp:localhost' has no port: {TCP}"),
        ("tcp:localhost:", f"address 'tcp:localhost:' has no port: {TCP}"),
        ("tcp:", f"address 'tcp:' has no port: {TCP}"),
        ("tcp:[::1]", f"address 'tcp:[::1]' has no port: {TCP}"),
        ("localhost:", f"address 'localhost:' has no port: {TCP}"),
        ("tcp:4444", f"address 'tcp:4444' has no host: {TCP}"),
        (
            "tcp:::1:4444",
            (
                "address 'tcp:::1:4444' has too many colons: expected brackets around "
                "IPv6, for example tcp:[::1]:4444, or unix:PATH for a path"
            ),
        ),
        (
            "libvirt:guest",
            (
                "address 'libvirt:guest' has the port 'guest': expected a number "
                "from 0 to 65535 (services have no names here; a path is unix:PATH)"
            ),
        ),
        (
            "tcp:h:65536",
            (
                "address 'tcp:h:65536' has the port '65536': expected a number from 0 "
                "to 65535 (services have no names here; a path is unix:PATH)"
            ),
        ),
        (
            "tcp:h:+1",
            (
                "address 'tcp:h:+1' has the port '+1': expected a number from 0 to "
                "65535 (services have no names here; a path is unix:PATH)"
            ),
        ),
        ("tcp:a b:1", f"address 'tcp:a b:1' has the host 'a b': {TCP}"),
        ("tcp://h:1", f"address 'tcp://h:1' has the host '//h': {TCP}"),
        ("tcp:a..b:1", f"address 'tcp:a..b:1' has the host 'a..b': {TCP}"),
        ("tcp:é..b:1", f"address 'tcp:é..b:1' has the host 'é..b': {TCP}"),
        (
            "http://h/",
            (
                "address 'http://h/' is a URL: expected "
                "unix:PATH, a path, tcp:HOST:PORT, tls:HOST:PORT, fd:N, vsock:CID:PORT "
                "or stdio"
            ),
        ),
        (
            "tcp:h:1,ipv4=off,ipv6=off",
            (
                "address 'tcp:h:1,ipv4=off,ipv6=off' turns off both ipv4 and ipv6: "
                "expected one of them on"
            ),
        ),
        (
            "tcp:h:1,to=9",
            (
                "address 'tcp:h:1,to=9': option 'to' is not supported: "
                "give one port, or port 0 to have one chosen"
            ),
        ),
        (
            "tcp:h:1,telnet=on",
            (
                "address 'tcp:h:1,telnet=on': option 'telnet' is not supported: "
                f"{NO_TELNET}"
            ),
        ),
        (
            "tcp:h:1,tls-creds=t",
            (
                "address 'tcp:h:1,tls-creds=t': option 'tls-creds' is not supported: "
                f"{NO_TLS}"
            ),
        ),
        ("telnet:h:1", f"address 'telnet:h:1' cannot be used: {NO_TELNET}"),
        (
            "tls:h:1,dir=",
            "address 'tls:h:1,dir=': option 'dir' has no value: expected dir=VALUE",
        ),
        ("tls:h", f"address 'tls:h' has no port: {TCP}"),
        ("tcps:h:1", f"address 'tcps:h:1' cannot be used: {NO_TLS}"),
        (
            "pipe:/p",
            f"address 'pipe:/p' cannot be used: named pipes are not supported; {GIVE}",
        ),
        (
            "\\\\.\\pipe\\qmp",
            (
                "address '\\\\\\\\.\\\\pipe\\\\qmp' cannot be used: "
                f"named pipes are not supported; {GIVE}"
            ),
        ),
        ("pty,id=m", f"address 'pty,id=m' cannot be used: {NO_CHARDEV}"),
        (
            "socket,id=m",
            f"address 'socket,id=m' does not name one socket: {ONE_SOCKET}",
        ),
        (
            "socket,path=/a,fd=3",
            f"address 'socket,path=/a,fd=3' does not name one socket: {ONE_SOCKET}",
        ),
        (
            "fd:mon",
            (
                "address 'fd:mon' has the file descriptor 'mon': "
                "expected its number, for example fd:3"
            ),
        ),
        (
            "vsock:2",
            (
                "address 'vsock:2' has no port: "
                "expected vsock:CID:PORT, for example vsock:2:4444"
            ),
        ),
        (
            "vsock:host:1",
            (
                "address 'vsock:host:1' has the context identifier 'host' and the port "
                "'1': expected numbers from 0 to 4294967295, for example vsock:2:4444"
            ),
        ),
        (
            "{",
            (
                "address '{' is no JSON: Expecting property name enclosed in double "
                "quotes: line 1 column 2 (char 1)"
            ),
        ),
        ('{"type": "unix"}', "address '{\"type\": \"unix\"}' has no 'path'"),
        (
            '{"type": "x"}',
            (
                "address '{\"type\": \"x\"}' is of type 'x': expected for example "
                '{"type": "unix", "path": "/run/vm/qmp.sock"}, '
                "or one of type inet, vsock or fd"
            ),
        ),
        (
            '{"type": "unix", "path": null}',
            (
                'address \'{"type": "unix", "path": null}\': member \'path\' is None: '
                "expected a string, a number or a truth value"
            ),
        ),
    ],
)
def test_a_wrong_text_is_told_what_is_wrong_and_what_was_expected(
    text: str, message: str
) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, QmpxError)


@pytest.mark.parametrize(
    ("text", "address", "canonical"),
    [
        (
            "telnet:127.0.0.1:4444",
            TelnetAddress(TcpAddress("127.0.0.1", 4444)),
            "telnet:127.0.0.1:4444",
        ),
        (
            "telnet:[::1]:0,server,nowait",
            TelnetAddress(TcpAddress("::1", 0)),
            "telnet:[::1]:0",
        ),
        (
            "telnet::1,ipv4",
            TelnetAddress(TcpAddress("", 1, "ipv4")),
            "telnet::1,ipv4=on",
        ),
        ("tcp:h:1", TcpAddress("h", 1), "tcp:h:1"),
        ("stdio", StdioAddress(), "stdio"),
    ],
)
def test_telnet_is_for_those_who_listen(
    text: str, address: ListenAddress, canonical: str
) -> None:
    assert parse_listen_address(text) == address
    assert parse_listen_address(address) == address
    assert str(address) == canonical


@pytest.mark.parametrize(
    "text", ["telnet:", "telnet:h", "telnet:h:x", "telnet:h:1,a=b"]
)
def test_what_is_no_telnet_address_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(AddressError, match=re.escape(repr(text))):
        parse_listen_address(text)


def test_deep_json_is_refused_too() -> None:
    with pytest.raises(AddressError, match="is no JSON"):
        parse_address('{"a":' * 100_000)


def test_a_path_object_is_a_path_whatever_it_looks_like() -> None:
    assert parse_address(Path("tcp:h:1")) == UnixAddress("tcp:h:1")


def test_what_is_neither_text_nor_path_is_told_what_was_expected() -> None:
    with pytest.raises(TypeError) as raised:
        parse_address(("localhost", 4444))  # type: ignore[arg-type]
    assert str(raised.value) == (
        "('localhost', 4444) is no address: expected unix:PATH, a path, "
        "tcp:HOST:PORT, tls:HOST:PORT, fd:N, vsock:CID:PORT or stdio"
    )


def test_a_file_that_exists_is_a_path_whatever_it_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("guest:1") == TcpAddress("guest", 1)
    Path("guest:1").touch()
    assert parse_address("guest:1") == UnixAddress("guest:1")


def test_an_abstract_name_that_is_not_tight_fills_the_whole_field() -> None:
    loose = UnixAddress("q", abstract=True, tight=False)
    assert loose.kernel_name == "\0q" + "\0" * 106
    assert UnixAddress("q", abstract=True).kernel_name == "\0q"
    with loose.socket_name() as name:
        assert name == loose.kernel_name


def test_an_address_is_true_even_where_it_has_no_parts() -> None:
    assert StdioAddress()


def test_the_environment_names_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QMP_SOCKET", "/run/q.sock")
    assert default_address() == UnixAddress("/run/q.sock")


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_there_is_no_default(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QMP_SOCKET", raising=False)
    if value is not None:
        monkeypatch.setenv("QMP_SOCKET", value)
    with pytest.raises(AddressError) as caught:
        default_address()
    assert str(caught.value) == (
        "no address of a monitor: give one, for example unix:/run/vm/qmp.sock, "
        "or set QMP_SOCKET"
    )


def test_a_wrong_default_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QMP_SOCKET", "tcp:h")
    with pytest.raises(AddressError) as caught:
        default_address()
    assert str(caught.value) == f"QMP_SOCKET: address 'tcp:h' has no port: {TCP}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.255.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example", False),
        ("127.example", False),
    ],
)
def test_loopback_is_what_only_this_host_can_reach(host: str, expected: bool) -> None:
    assert is_loopback(TcpAddress(host, 1)) is expected


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, qmpx.transport.address; print(*sys.modules)"
    run = [sys.executable, "-S", "-c", code]
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    loaded = subprocess.run(run, env=paths, capture_output=True, text=True, check=True)
    heavy = {"asyncio", "dataclasses", "ipaddress", "json", "msgspec", "socket"}
    assert heavy & set(loaded.stdout.split()) == set()
