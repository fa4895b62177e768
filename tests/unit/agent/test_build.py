# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package: the same bytes everywhere, small, complete, and it runs on every Python that devices have."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib

import pytest

from agent import build
from agent.deflate import deflate

PYTHONS = [f"3.{minor}" for minor in range(7, 14)]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return build.build(tmp_path_factory.mktemp("package"))


@pytest.mark.parametrize(
    "data",
    [b"", b"a", b"abc", b"a" * 70000, bytes(range(256)) * 300, random.Random(1).randbytes(5000), b"abcabcabcabcX" * 4000],
    ids=["nothing", "a byte", "three", "a run", "all bytes", "noise", "a phrase"],
)
def test_deflate_is_undone_by_zlib(data):
    assert zlib.decompress(deflate(data), -15) == data


def copied(folder):
    """The tree that the build reads, elsewhere: other paths, other times, other modes."""
    for name in ("agent", "plugins/module_utils/gateway"):
        shutil.copytree(build.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(build.ROOT / "galaxy.yml", folder)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    return folder


@pytest.mark.parametrize("umask", ["000", "077"])
def test_same_bytes_from_two_places(package, tmp_path, umask):
    tree = copied(tmp_path / "a strange place")
    script = f"umask {umask}; exec '{sys.executable}' -m agent.build --dest '{tmp_path}/out'"
    subprocess.run(["sh", "-c", script], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "out" / build.NAME).read_bytes() == package.read_bytes()
    (tree / "agent" / "log.py").write_text("changed = 1\n")  # and it is the sources that are in it
    subprocess.run(["sh", "-c", script], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "out" / build.NAME).read_bytes() != package.read_bytes()


def test_installed_collection_builds_the_same(package, tmp_path):
    """As ansible-galaxy installs it: a manifest instead of galaxy.yml."""
    tree = copied(tmp_path / "installed")
    (tree / "galaxy.yml").unlink()
    (tree / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": build.collection_version()}}))
    argv = [sys.executable, "-m", "agent.build", "--dest", tmp_path / "out"]
    subprocess.run(argv, cwd=tree, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "out" / build.NAME).read_bytes() == package.read_bytes()


def test_it_holds_what_it_must_and_nothing_else(package):
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {build.MOMENT}
        assert archive.read("gateway/reconcile.py") == (build.CORE / "reconcile.py").read_bytes()
    core = {f"gateway/{path.relative_to(build.CORE)}" for path in build.CORE.rglob("*.py")}
    firewalls = {"firewall_cmd", "firewalld", "firewalld_bus", "firewalld_files", "ipset_text", "ipsets", "iptables"}
    firewalls |= {"iptables_files", "iptables_text", "own", "ufw", "ufw_files", "ufw_rules"}
    core -= {f"gateway/allowlists/{name}.py" for name in firewalls}
    agent = {f"agent/{path.name}" for path in build.HERE.glob("*.py")} - {f"agent/{name}" for name in build.NOT_PACKED}
    paho = {name for name in names if name.startswith("paho/")}
    assert set(names) == core | agent | paho | {"__main__.py", "typing_extensions.py"}
    assert "paho/licenses/LICENSE.txt" in paho and "paho/mqtt/publish.py" not in paho
    assert package.stat().st_size <= build.SIZE_MOST


def runs(python: str) -> bool:
    return subprocess.run([python, "-V"], check=False, capture_output=True).returncode == 0


def here() -> list[str]:
    """The interpreters of this machine, its own first; tests/system has the devices' 3.9, 3.11 and 3.13."""
    found = [path for version in PYTHONS if (path := shutil.which(f"python{version}"))]
    return [sys.executable, *filter(runs, found)]


@pytest.mark.parametrize("python", here())
def test_it_runs(package, python):
    said = subprocess.run([python, "-I", package, "version"], capture_output=True, text=True, check=True).stdout
    assert said.strip().startswith(build.collection_version() + "+")
    script = f"import sys; sys.path.insert(0, {str(package)!r}); import agent.loop, agent.session, agent.worker, agent.inbox"
    subprocess.run([python, "-I", "-W", "error", "-c", script], check=True)


def test_a_revert_can_be_armed_from_it(package):
    """The core reads its own source through whatever loader it came by."""
    script = (
        f"import sys; sys.path.insert(0, {str(package)!r})\n"
        "from gateway.transaction import _program\n"
        "assert len(_program()) >= 9 and all(_program().values()) is False\n"
        "assert 'def recover' in _program()['gateway/journal.py']\n"
    )
    subprocess.run([sys.executable, "-I", "-c", script], check=True)


def test_another_wheel_is_not_packed(tmp_path):
    (tmp_path / build.PAHO_WHEEL).write_bytes(b"PK something else")
    with pytest.raises(SystemExit, match="not the wheel"):
        build.build(tmp_path / "out", cache=tmp_path)


@pytest.fixture
def signed(tmp_path):
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", tmp_path / "public.pem"], check=True)
    return build.tarball(tmp_path / "out", key)


def verifies(tmp_path, path):
    argv = ["openssl", "dgst", "-sha256", "-verify", tmp_path / "public.pem", "-signature", f"{path}.sig", path]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_tarball_is_signed_and_the_same_again(tmp_path, signed):
    assert verifies(tmp_path, signed)
    with tarfile.open(signed) as tar:
        names = {member.name: (member.mode, member.mtime, member.uid) for member in tar}
    assert names["rootwave-agent/install.sh"] == (0o755, 0, 0)
    assert {"rootwave-agent.pyz", "rootwave-agent.service", "rootwave-inbox.path"} <= {name.split("/")[1] for name in names}
    first = signed.read_bytes()
    assert build.tarball(tmp_path / "out", tmp_path / "key.pem").read_bytes() == first
    signed.write_bytes(first + b"x")
    assert not verifies(tmp_path, signed)


def test_install_into_an_image(tmp_path, signed):
    """install.sh with --root, as an image build runs it; a second time leaves the device's keys alone."""
    subprocess.run(["tar", "-C", tmp_path, "-xf", signed], check=True)
    root = tmp_path / "root"
    (root / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "keys.json").write_text("first")
    (tmp_path / "agent.json").write_text("{}")
    argv = [tmp_path / "rootwave-agent/install.sh", "--root", root, "--inbox-group", str(os.getgid())]
    argv += [tmp_path / "keys.json", tmp_path / "agent.json"]
    subprocess.run(argv, check=True, capture_output=True)
    (tmp_path / "keys.json").write_text("second")
    subprocess.run(argv, check=True, capture_output=True)
    assert (root / "var/lib/rootwave/keys.json").read_text() == "first"
    assert (root / "usr/local/lib/rootwave/rootwave-agent.pyz").read_bytes() == (tmp_path / "out" / build.NAME).read_bytes()
    assert (root / "etc/systemd/system/multi-user.target.wants/rootwave-agent.service").is_symlink()
    assert (root / "var/lib/rootwave/inbox").stat().st_mode & 0o7777 == 0o1770
    dropped = [root / f"etc/systemd/system/{unit}.service.d/firewall.conf" for unit in ("rootwave-agent", "rootwave-inbox")]
    assert not any(path.exists() for path in dropped)
    subprocess.run([argv[0], "--firewall", *argv[1:]], check=True, capture_output=True)
    assert all("CAP_NET_ADMIN" in path.read_text() for path in dropped)
    subprocess.run(argv, check=True, capture_output=True)
    assert not any(path.exists() for path in dropped)
    for wrong in (["--wrong", "x", *argv[-2:]], [], argv[-1:], ["--root", root], [*argv[-1:], "none.json"]):
        done = subprocess.run([*argv[:1], *wrong], capture_output=True, check=False)
        assert (done.returncode, done.stderr[:6]) == (2, b"usage:"), wrong


@pytest.mark.parametrize("text", ['{"front_end": "inbox"}', '{"front_end" :\n "inbox"}'])
def test_one_front_end_is_installed(tmp_path, signed, text):
    """And the other one is not, on a device that had it."""
    subprocess.run(["tar", "-C", tmp_path, "-xf", signed], check=True)
    wants = tmp_path / "root/etc/systemd/system/multi-user.target.wants"
    (tmp_path / "keys.json").write_text("{}")
    argv = [tmp_path / "rootwave-agent/install.sh", "--root", tmp_path / "root", "--inbox-group", str(os.getgid())]
    for document, units in (
        ("{}", ["rootwave-agent.service"]),
        (text, ["rootwave-inbox.path", "rootwave-inbox.service"]),
        ("{}", ["rootwave-agent.service"]),
    ):
        (tmp_path / "agent.json").write_text(document)
        subprocess.run([*argv, tmp_path / "keys.json", tmp_path / "agent.json"], check=True, capture_output=True)
        assert sorted(path.name for path in wants.iterdir()) == units


def test_a_firewall_that_is_not_packed_is_named(package):
    """The package has one backend."""
    script = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        from gateway import allowlists
        from gateway.allowlists.document import from_document
        allowlists.backends.missing_nft = list
        class Desired:
            allowlist = from_document({"new": [], "places": [{"path": "output", "backend": sys.argv[2], "way": "managed_rules"}]})
        print([one.id for one in allowlists.Firewall(None, Desired).blockers])
    """
    done = subprocess.run([sys.executable, "-I", "-c", script, package, "ufw"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['allowlist-tool']"
