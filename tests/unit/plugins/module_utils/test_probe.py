# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe against real TLS servers on loopback; every failing stage has its twin in test_ok."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import probe as probe_module
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Anchor, Endpoint, Timeouts, Trust
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.probe import probe

from lab import pki
from lab.hub.server import server_context

TIMES = Timeouts(dns=2, tcp=2, tls=2)


@pytest.fixture(scope="session")
def roots(tmp_path_factory):
    return pki.create(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="session")
def chains(roots):
    return pki.chains(roots)


@contextmanager
def listening(answer, family=socket.AF_INET):
    """A server on loopback that hands every connection to ``answer``; yields its port."""
    server = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)

    def accept():
        while True:
            try:
                stream, _peer = server.accept()
            except OSError:
                return
            threading.Thread(target=quietly, args=(answer, stream), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()


def quietly(answer, stream):
    with stream:
        try:
            answer(stream)
        except OSError:
            return


def tls(chain, fault="none", names=None):
    """Serve a chain; the SNI of each connection is appended to ``names``."""
    context = server_context(chain, fault)
    if names is not None:
        context.sni_callback = lambda _socket, name, _context: names.append(name)

    def answer(stream):
        with context.wrap_socket(stream, server_side=True) as secure:
            secure.recv(1)

    return answer


def trust(*entities):
    return Trust("test", cadata="".join(entity.pem for entity in entities))


def anchor(entity, name):
    return Anchor(entity.sha256, name, name, entity.pem)


def ask(port, trusted, host="localhost", offer="default", proxy=None, now=None, candidates=(), timeouts=TIMES):
    return probe(Endpoint(host, port, "hub", proxy), trusted, now or time.time(), timeouts, offer, candidates)


def stages(proofs):
    return {proof.stage for proof in proofs if ":" not in proof.address}


def test_ok(roots, chains):
    names = []
    with listening(tls(chains["v2"], names=names)) as port:
        (proof,) = [proof for proof in ask(port, trust(roots["lab-g2"])) if proof.address == "127.0.0.1"]
    assert proof.ok
    assert proof.anchor == roots["lab-g2"].sha256
    assert proof.leaf_sha256 == chains["v2"][0].sha256
    assert proof.protocol == "TLSv1.3"
    assert names[0] == "localhost"


def test_which_anchor_verifies(roots, chains):
    """v3 is cross-signed: it verifies by either root, and the proof says which one did."""
    both = [anchor(roots["lab-g2"], "g2"), anchor(roots["lab-ms-tls-g2"], "ms")]
    with listening(tls(chains["v3"])) as port:
        for name in ("lab-g2", "lab-ms-tls-g2"):
            proofs = ask(port, trust(roots[name]), candidates=both)
            assert {proof.anchor for proof in proofs if proof.ok} == {roots[name].sha256}


@pytest.mark.parametrize(
    "chain, stage",
    [("v1", "tls-untrusted"), ("wrong-name", "tls-name"), ("expired", "tls-expired"), ("incomplete", "tls-untrusted")],
)
def test_bad_chain(roots, chains, chain, stage):
    with listening(tls(chains[chain])) as port:
        proofs = ask(port, trust(roots["lab-g2"]))
    assert stages(proofs) == {stage}
    assert proofs[-1].leaf_sha256 == chains[chain][0].sha256 or proofs[-1].stage == "tcp"


def test_both_families_are_tried(roots, chains, monkeypatch):
    """One good and one bad address: both are reported, each with its own stage."""
    with listening(tls(chains["v2"])) as port:
        monkeypatch.setattr(probe_module, "resolve", lambda *_asked: both_families(port))
        by_address = {proof.address: proof.stage for proof in ask(port, trust(roots["lab-g2"]))}
    assert by_address == {"127.0.0.1": "ok", "::1": "tcp"}


def test_ipv6(roots, chains, monkeypatch):
    with listening(tls(chains["v2"]), family=socket.AF_INET6) as port:
        monkeypatch.setattr(probe_module, "resolve", lambda *_asked: both_families(port))
        by_address = {proof.address: proof.stage for proof in ask(port, trust(roots["lab-g2"]))}
    assert by_address == {"127.0.0.1": "tcp", "::1": "ok"}


def both_families(port):
    return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]


def test_which_anchor_verifies_before_python_310(roots, chains, monkeypatch):
    """Where the ssl module does not tell, the candidates are tried one by one."""
    monkeypatch.setattr(probe_module, "_verified_root", lambda _secure: None)
    g2, other = anchor(roots["lab-g2"], "g2"), anchor(roots["lab-ms-rsa-2017"], "ms")
    both = trust(roots["lab-g2"], roots["lab-ms-rsa-2017"])
    with listening(tls(chains["v2"])) as port:
        proofs = ask(port, both, candidates=[other, g2])
        assert {(proof.anchor, proof.anchor_subject) for proof in proofs if proof.ok} == {(g2.sha256, g2.subject)}
        assert {proof.anchor for proof in ask(port, both, candidates=[other]) if proof.ok} == {""}


def test_of_a_hashed_directory_only_what_verified_was_read(roots, chains, monkeypatch, tmp_path):
    """So no second handshake is needed to tell. Two roots of one name are read together, and nobody can tell any more."""
    monkeypatch.setattr(probe_module, "_verified_root", lambda _secure: None)
    hashed(tmp_path / "all", roots.values())
    hashed(tmp_path / "g2", [roots["lab-g2"]])
    hashed(tmp_path / "twins", [roots["lab-g2"], pki.create(tmp_path)["lab-g2"]])
    found = {}
    with listening(tls(chains["v2"])) as port:
        for name in ("all", "g2", "twins"):
            proofs = ask(port, Trust("hashed", capath=str(tmp_path / name)))
            found[name] = {proof.anchor for proof in proofs if proof.ok}
    assert found == {"all": {roots["lab-g2"].sha256}, "g2": {roots["lab-g2"].sha256}, "twins": {""}}


def hashed(folder, entities):
    """A directory as c_rehash makes it."""
    folder.mkdir()
    for number, entity in enumerate(entities):
        (folder / f"{number}.pem").write_text(entity.pem)
    subprocess.run(["openssl", "rehash", str(folder)], check=True)


def test_a_proxy_that_refuses_the_second_tunnel(roots, chains, monkeypatch):
    """The endpoint verified; that nobody can tell by which anchor is no failure."""
    monkeypatch.setattr(probe_module, "_verified_root", lambda _secure: None)
    both = trust(roots["lab-g2"], roots["lab-ms-rsa-2017"])
    answers = iter([b"HTTP/1.1 200 Connection established\r\n\r\n"])

    def serve(stream):
        proxy(port, next(answers, b"HTTP/1.1 403 Forbidden\r\n\r\n"))(stream)

    with listening(tls(chains["v2"])) as port, listening(serve) as proxy_port:
        proofs = ask(port, both, proxy=f"http://127.0.0.1:{proxy_port}", candidates=[anchor(roots["lab-g2"], "g2")])
    assert [(proof.stage, proof.anchor) for proof in proofs] == [("ok", "")]


def test_offers(roots, chains):
    trusted = trust(roots["lab-g2"])
    with listening(tls(chains["dual"])) as port:
        assert stages(ask(port, trusted, offer="rsa")) == {"ok"}
        assert stages(ask(port, trusted, offer="ecdsa")) == {"tls-untrusted"}
    with listening(tls(chains["dual-good"])) as port:
        assert stages(ask(port, trusted, offer="ecdsa")) == {"ok"}
    with listening(tls(chains["v2"])) as port:
        assert stages(ask(port, trusted, offer="ecdsa")) == {"not-offered"}


def test_name_does_not_resolve(roots):
    (proof,) = ask(8883, trust(roots["lab-g2"]), host="nowhere.invalid")
    assert proof.stage == "dns"


def test_nobody_listens(roots):
    assert stages(ask(9, trust(roots["lab-g2"]))) == {"tcp"}


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_no_tls(roots, words):
    def answer(stream):
        stream.sendall(words)

    with listening(answer) as port:
        assert stages(ask(port, trust(roots["lab-g2"]))) == {"tls-protocol"}


def test_a_silent_server_cannot_hang_a_run(roots):
    quick = Timeouts(dns=1, tcp=1, tls=1)
    with listening(lambda stream: stream.recv(10**6) and stream.recv(1)) as port:
        assert stages(ask(port, trust(roots["lab-g2"]), timeouts=quick)) == {"tls-protocol"}


def test_a_dripping_server_cannot_hang_a_run(roots):
    """One byte now and then resets a naive time-out for ever; the deadline is for the whole handshake."""

    def drip(stream):
        for byte in b"\x16\x03\x03\x40\x00" + b"\x02" * 100:
            stream.sendall(bytes([byte]))
            time.sleep(0.2)

    with listening(drip) as port:
        assert stages(ask(port, trust(roots["lab-g2"]), timeouts=Timeouts(dns=1, tcp=1, tls=1))) == {"tls-protocol"}


def test_clock_behind(roots, chains, monkeypatch):
    """Not valid yet by this clock, valid by the control node's: the clock is to blame, not the certificate."""
    late = time.time() + 40 * 86400
    leaf = pki.make_leaf(roots["lab-g2"], ("localhost",), not_before=pki.datetime.datetime.now(pki.datetime.UTC) + 30 * pki.DAY)
    with listening(tls((leaf,))) as port:
        assert stages(ask(port, trust(roots["lab-g2"]), now=late)) == {"clock"}
        assert stages(ask(port, trust(roots["lab-g2"]))) == {"tls-expired"}


def proxy(target, answer=b"HTTP/1.1 200 Connection established\r\n\r\n", asked=None):
    """HTTP CONNECT (RFC 9110, 9.3.6), for one tunnel a connection."""

    def serve(stream):
        head = b""
        while b"\r\n\r\n" not in head:
            head += stream.recv(4096)
        if asked is not None:
            asked.append(head.split(b"\r\n")[0])
        stream.sendall(answer)
        if b" 200 " not in answer:
            return
        with socket.create_connection(("127.0.0.1", target)) as far:
            threading.Thread(target=quietly, args=(lambda _far: pump(far, stream), far.dup()), daemon=True).start()
            pump(stream, far)

    return serve


def pump(source, sink):
    while True:
        data = source.recv(65536)
        if not data:
            return
        sink.sendall(data)


def test_proxy(roots, chains):
    asked = []
    with listening(tls(chains["v2"])) as port, listening(proxy(port, asked=asked)) as proxy_port:
        proofs = ask(port, trust(roots["lab-g2"]), proxy=f"http://127.0.0.1:{proxy_port}")
    assert stages(proofs) == {"ok"}
    assert asked[0] == b"CONNECT localhost:%d HTTP/1.1" % port


def test_proxy_refuses(roots):
    with listening(proxy(9, b"HTTP/1.1 403 Forbidden\r\n\r\n")) as proxy_port:
        proofs = ask(8883, trust(roots["lab-g2"]), proxy=f"http://127.0.0.1:{proxy_port}")
    assert stages(proofs) == {"proxy"}
    assert "403" in proofs[0].detail
