# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""``python -m agent.build --dest DIR``: rootwave-agent.pyz, the same bytes on every machine. Runs on a control node; not packed.

The package is agent/, the core and paho-mqtt, whose wheel pip fetches into a cache folder and whose hash is checked here. With
``--tarball`` also what a device without SSH needs, signed: docs/agent.md.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

from .deflate import deflate

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "agent"
CORE = ROOT / "plugins" / "module_utils" / "gateway"
NAME = "rootwave-agent.pyz"
SIZE_MOST = 250 * 1024  # bytes
NOT_PACKED = ("build.py", "deflate.py")
# Of the firewalls the agent has nftables alone; the others would not fit into SIZE_MOST
NOT_OF_CORE = ("firewall*.py", "ip*.py", "own.py", "ufw*.py")
PAHO = "paho-mqtt==2.1.0"  # the last one for Python 3.7
PAHO_WHEEL = "paho_mqtt-2.1.0-py3-none-any.whl"
PAHO_SHA256 = "6db9ba9b34ed5bc6b6e3812718c7e06e2fd7444540df2455d2c51bd58808feee"
PAHO_PACKED = ("__init__", "client", "enums", "matcher", "packettypes", "properties", "reasoncodes", "subscribeoptions")
LICENSE = "paho_mqtt-2.1.0.dist-info/licenses/"
MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can name
# Python 3.7 has no typing.Literal; paho then asks for this package, for type hints alone
TYPING = b"class Literal:\n    def __class_getitem__(cls, values):\n        return cls\n"
MAIN = b"import sys\n\nfrom agent.__main__ import main\n\nsys.exit(main())\n"


def build(dest: Path, cache: Path | None = None) -> Path:
    """Write the package into a folder and return its path."""
    members = sources(paho_wheel(cache or cache_dir()))
    data = archive(members)
    if len(data) > SIZE_MOST:
        raise SystemExit(f"the package has {len(data)} bytes, more than {SIZE_MOST}")
    dest.mkdir(parents=True, exist_ok=True)
    path, draft = dest / NAME, dest / f"{NAME}.{os.getpid()}"  # two runs may build into one folder
    draft.write_bytes(data)
    draft.chmod(0o644)
    draft.replace(path)
    return path


def cache_dir() -> Path:
    return Path(os.environ.get("ROOTWAVE_CACHE", Path.home() / ".cache" / "rootwave"))


def paho_wheel(cache: Path) -> bytes:
    """The pinned wheel, from the cache or by pip; the hash is checked either way."""
    path = cache / PAHO_WHEEL
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*argv, "--disable-pip-version-check", "--dest", str(cache), PAHO], check=True, stdout=sys.stderr)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != PAHO_SHA256:
        raise SystemExit(f"{path} is not the wheel that this build pins ({PAHO_SHA256}); remove it and start again")
    return data


def sources(wheel: bytes) -> dict[str, bytes]:
    """{name in the package: bytes} of everything that is packed."""
    members = {"__main__.py": MAIN, "typing_extensions.py": TYPING}
    for path in HERE.glob("*.py"):
        if path.name not in NOT_PACKED:
            members[f"agent/{path.name}"] = path.read_bytes()
    for path in CORE.rglob("*.py"):
        if path.parent.name == "allowlists" and any(path.match(pattern) for pattern in NOT_OF_CORE):
            continue
        members[f"gateway/{path.relative_to(CORE).as_posix()}"] = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive_:
        members["paho/__init__.py"] = b""
        members |= {f"paho/mqtt/{name}.py": archive_.read(f"paho/mqtt/{name}.py") for name in PAHO_PACKED}
        licenses = [name for name in archive_.namelist() if name.startswith(LICENSE) and not name.endswith("/")]
        members |= {f"paho/licenses/{Path(name).name}": archive_.read(name) for name in licenses}
    members = {name: data.replace(b"\r\n", b"\n") for name, data in members.items()}
    version = f"{collection_version()}+{digest(members)[:12]}"
    members["agent/version.py"] = members["agent/version.py"].replace(b'"source"', f'"{version}"'.encode())
    return members


def collection_version() -> str:
    """From galaxy.yml, the only place; an installed collection has a manifest instead."""
    if (ROOT / "galaxy.yml").exists():
        found = re.search(r"^version: (\S+)$", (ROOT / "galaxy.yml").read_text(), re.MULTILINE)
        return found.group(1) if found else "unknown"
    return json.loads((ROOT / "MANIFEST.json").read_text())["collection_info"]["version"]


def digest(members: dict[str, bytes]) -> str:
    lines = [f"{hashlib.sha256(members[name]).hexdigest()}  {name}\n" for name in sorted(members)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def archive(members: dict[str, bytes]) -> bytes:
    """A zip file (PKWARE's APPNOTE, 4.3) with a line for the kernel before it: sorted names, no times, no owners."""
    head, body, index = b"#!/usr/bin/env python3\n", io.BytesIO(), io.BytesIO()
    body.write(head)
    date = (MOMENT[0] - 1980) << 9 | MOMENT[1] << 5 | MOMENT[2]
    for name in sorted(members):
        data, packed, offset = members[name], deflate(members[name]), body.tell()
        if zlib.decompress(packed, -15) != data:
            raise SystemExit(f"{name} was not packed well; this is a defect of agent/deflate.py")
        facts = struct.pack("<HHHHHIII", 20, 0, 8, 0, date, zlib.crc32(data), len(packed), len(data))
        label = name.encode()
        body.write(b"PK\3\4" + facts + struct.pack("<HH", len(label), 0) + label + packed)
        more = struct.pack("<HHHHHII", len(label), 0, 0, 0, 0, 0o100644 << 16, offset)
        index.write(b"PK\1\2" + struct.pack("<H", 3 << 8 | 20) + facts + more + label)
    start, size, count = body.tell(), index.tell(), len(members)
    body.write(index.getvalue())
    body.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, size, start, 0))
    return body.getvalue()


def tarball(dest: Path, key: Path, cache: Path | None = None) -> Path:
    """The package, its units and install.sh in one archive, and beside it a signature by ``key`` (PEM, ECDSA or RSA)."""
    package = build(dest, cache)
    path = dest / "rootwave-agent.tar.gz"
    members = {NAME: (package.read_bytes(), 0o644), "install.sh": ((HERE / "install.sh").read_bytes(), 0o755)}
    members |= {unit.name: (unit.read_bytes(), 0o644) for unit in (HERE / "units").iterdir()}
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(members):
            entry = tarfile.TarInfo(f"rootwave-agent/{name}")
            entry.size, entry.mode = len(members[name][0]), members[name][1]
            tar.addfile(entry, io.BytesIO(members[name][0]))
    path.write_bytes(_gzip(plain.getvalue()))
    argv = ["openssl", "dgst", "-sha256", "-sign", str(key), "-out", f"{path}.sig", str(path)]
    subprocess.run(argv, check=True)
    return path


def _gzip(data: bytes) -> bytes:
    """RFC 1952 without a time or a name."""
    head = b"\x1f\x8b\x08\0" + bytes(4) + b"\0\xff"
    made = head + deflate(data) + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    if gzip.decompress(made) != data:
        raise SystemExit("the tarball was not packed well; this is a defect of agent/deflate.py")
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m agent.build", description=__doc__)
    parser.add_argument("--dest", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--cache", type=Path, help="where paho-mqtt's wheel is kept")
    parser.add_argument("--tarball", type=Path, metavar="KEY", help="make the signed tarball too; a private key, PEM")
    arguments = parser.parse_args()
    if arguments.tarball:
        path = tarball(arguments.dest, arguments.tarball, arguments.cache)
    else:
        path = build(arguments.dest, arguments.cache)
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
