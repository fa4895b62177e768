# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's tarball, damaged on its way: ansible-galaxy refuses it. That sees damage, not a forger's new checksums."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest

from tests import tarball

TOUCHED = "plugins/module_utils/gateway/order.py"


def install(path, folder):
    argv = [tarball.GALAXY, "collection", "install", "--offline", "--force", "--collections-path", folder, path]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def changed(path, target):
    """The same tarball with one byte more in one file."""
    with tarfile.open(path) as whole, tarfile.open(target, "w:gz") as made:
        for member in whole:
            data = whole.extractfile(member).read() if member.isfile() else b""
            if member.name == TOUCHED:
                data += b"\n"
                member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return target


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return tarball.build(tmp_path_factory.mktemp("tarball"))


def test_a_collection_that_was_changed_is_not_installed(built, tmp_path):
    code, said = install(changed(built, tmp_path / "rootwave-iot-changed.tar.gz"), tmp_path / "changed")
    assert code != 0 and "hecksum" in said and TOUCHED in said
    assert install(built, tmp_path / "whole")[0] == 0
    assert (tmp_path / "whole/ansible_collections/rootwave/iot" / TOUCHED).is_file()
