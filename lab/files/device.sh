# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A device that nobody logs in to: the agent from its signed tarball, as docs/agent.md has it for an image build; no sshd.
# Sourced with $front_end and $inbox_group. Which device it is it finds in /etc/rootwave when it starts.
set -eu
cd /lab-build
openssl dgst -sha256 -verify image-signing.pub -signature rootwave-agent.tar.gz.sig rootwave-agent.tar.gz
tar -xf rootwave-agent.tar.gz
printf '{"front_end": "%s"}\n' "${front_end:?}" > agent.json
# "/." is the root directory, as an image's and not as this running system's
rootwave-agent/install.sh --root /. --inbox-group "${inbox_group:?}" keys-1.json agent.json
cd /
. /lab-build/plain.sh
systemctl disable --quiet ssh.service lab-client.service
