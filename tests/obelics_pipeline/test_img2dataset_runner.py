"""The walls around img2dataset, in a process that asks as it does; nothing but 127.0.0.1 is dialled."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faultserver import CASES, FaultServer, reply
from test_fetch_guard import LITERALS, LOCATIONS

from obelics_pipeline.engine import Engine
from obelics_pipeline.fetch import FetchOptions, reserved
from obelics_pipeline.img2dataset import RUNNER, job_of

ASKING = """
import importlib.util, json, socket, sys, threading, urllib.request

spec = importlib.util.spec_from_file_location("runner", sys.argv[1])
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)
walls = runner.Walls(json.load(open(sys.argv[2])))
walls.raise_them()

def counted(event, arguments):  # what the walls let through; what is not loopback ends here
    if event in ("socket.connect", "socket.sendto") and arguments[0].family != socket.AF_UNIX:
        sys.stdout.write(f"dialled {arguments[1][0]}\\n")
        if arguments[1][0] != "127.0.0.1":
            raise ConnectionRefusedError("tests have no network")

sys.addaudithook(counted)
if sys.argv[4]:  # loopback passes as public
    judge, Reach = walls._netguard.reach, walls._netguard.Reach
    walls._netguard.reach = lambda address: Reach.PUBLIC if address == "127.0.0.1" else judge(address)

def ask(number, url):
    try:
        urllib.request.urlopen(urllib.request.Request(f"{url}#{number}"), timeout=60).read()
    except Exception:
        pass  # the log tells

for thread in [threading.Thread(target=ask, args=each) for each in enumerate(json.loads(sys.argv[3]))]:
    thread.start()
for kind, address in ((socket.SOCK_STREAM, "127.0.0.1"), (socket.SOCK_STREAM, "192.0.2.1")):
    try:
        socket.create_connection((address, 80), timeout=5)
    except OSError as error:
        sys.stdout.write(f"refused {type(error).__name__}\\n")
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 53))
except OSError as error:
    sys.stdout.write(f"refused {type(error).__name__}\\n")
"""


def met(
    urls: Iterable[str], options: FetchOptions, folder: Path, loopback: str = "127.0.0.1", *, public: str = ""
) -> dict[str, list[Any]]:
    """The last request for each of ``urls``, as it is logged: number, address, code, headers, fault, time.

    No address but ``loopback`` is dialled. ``public`` is set where it passes as a public one.
    """
    urls = list(urls)
    job = folder / "job.json"
    job.write_bytes(msgspec.json.encode(job_of(folder, options, reserved("us"), Engine(), len(urls))))
    command = [sys.executable, "-I", "-c", ASKING, RUNNER, job, json.dumps(urls), public]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert lines.count("refused BlockedAddress") == 3  # what goes past the opener, wherever it goes
    assert {line for line in lines if line.startswith("dialled")} <= {f"dialled {loopback}"}
    log = folder / "asked.jsonl"
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    return {urls[int(line[0])]: line for line in asked}  # the requests for a URL come one after the other


def test_no_private_address_is_dialled(tmp_path: Path) -> None:
    urls = [url for url in LITERALS.split() if "\\" not in url and "@" not in url]
    urls += ["http://localhost/image.png", "http://127.0.0.1:8801/"]
    assert len(urls) >= 40
    faults = {url: line[4] for url, line in met(urls, FetchOptions(), tmp_path, "nothing").items()}
    assert set(faults) == set(urls)
    # what Python's URLs do not read as an address is a name that nobody has
    assert {url: fault for url, fault in faults.items() if fault not in ("blocked_address", "dns")} == {}
    assert sum(fault == "blocked_address" for fault in faults.values()) >= 35


def test_no_redirect_leads_inside_nor_to_files(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is reached because 127.0.0.1 passes as public here; nothing else does."""
    locations = [
        *LOCATIONS.split(),
        "file:///etc/hostname",
        "ftp://127.0.0.1/",
        "data:,a",
        "http://127.0.0.1:22/",
    ]
    for number, location in enumerate(locations):
        monkeypatch.setitem(CASES, f"away{number}", reply(302, Location=location))
    urls = [server.url(f"away{number}") for number in range(len(locations))]
    last = met(urls, FetchOptions(ports=(80, 443, server.port)), tmp_path, public="yes")
    ends = {locations[urls.index(url)]: (line[2], line[4]) for url, line in last.items()}
    assert [ends[location] for location in locations[-4:]] == [(302, "")] * 4
    assert {ends[location] for location in locations[:-4]} <= {
        (None, "blocked_address"),
        (None, "connect"),  # 127.0.0.1, where nobody listens
        (None, "dns"),
    }
    inside = [location for location in locations if "169.254" in location or "10.0" in location]
    assert {ends[location] for location in inside} <= {(None, "blocked_address"), (None, "dns")}


CASES_MET = {
    "png": (200, ""),
    "401": (401, ""),
    "endless": (200, "too_large"),
    "announced-too-large": (200, "too_large"),
    "short": (200, "truncated"),
    "reset-in-body": (200, "truncated"),
    "drip": (200, "timeout"),
    "drip-headers": (None, "timeout"),
    "stall": (200, "timeout"),
    "never": (None, "timeout"),
    "until-close": (200, ""),
    "hops/5": (200, ""),
    "hops/6": (308, ""),
    "loop": (302, ""),
    "header-flood": (None, "protocol"),
    "hang-up": (None, "connect"),
}


def test_answers_are_bounded_in_time_and_bytes(server: FaultServer, tmp_path: Path) -> None:
    hosts = {"*.example": server.endpoint}
    options = FetchOptions(allow_private=True, total_timeout=1.5, max_bytes=200_000, hosts=hosts)
    urls = {f"http://n{n}.example/{name}": name for n, name in enumerate(CASES_MET)}
    begun = time.monotonic()
    last = met(urls, options, tmp_path)
    assert time.monotonic() - begun < 10
    found = {urls[url]: (line[2], line[4]) for url, line in last.items()}
    found["drip-headers"] = (None, found["drip-headers"][1])  # it may look as if the headers had ended
    assert found == CASES_MET


def test_a_request_says_who_asks(server: FaultServer, tmp_path: Path) -> None:
    options = FetchOptions(allow_private=True, ports=(), contact="https://a.example/us")
    met([server.url("absolute")], options, tmp_path)
    assert [request.path for request in server.requests] == ["/absolute", "/jpeg"]
    for request in server.requests:
        headers = {name: request.headers[name] for name in sorted(request.headers) if name != "host"}
        assert headers == {
            "accept": "image/*",
            "accept-encoding": "identity",
            "connection": "close",
            "user-agent": options.signature,
        }


def test_a_host_is_spared(server: FaultServer, tmp_path: Path) -> None:
    """Few requests at once, none after it asked for patience, none after failures in a row."""
    hosts = {"*.example": server.endpoint}
    options = FetchOptions(allow_private=True, hosts=hosts, per_host=1, host_failures=3)
    names = [("busy", "429"), ("down", "hang-up"), ("slow", "slow")]
    urls = [f"http://{host}.example/{case}?{n}" for host, case in names for n in range(6)]
    last = met(urls, options, tmp_path)
    faults = sorted((line[4] or str(line[2])) for line in last.values())
    assert faults == ["200"] * 6 + ["429"] + ["connect"] * 3 + ["host_busy"] * 5 + ["host_down"] * 3
    assert [server.count(case) for _, case in names] == [1, 3, 6]
