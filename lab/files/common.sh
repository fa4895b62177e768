# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs while a lab image is built: what all gateways have. Sourced by the others.
set -eu
rm -f /etc/ssh/ssh_host_*
mkdir -p /etc/ssh/sshd_config.d /etc/lab
echo 'Include /etc/lab/sshd.conf' > /etc/ssh/sshd_config.d/lab.conf
cp "/lab-build/lab-client.service" /etc/systemd/system/
systemctl enable --quiet lab-client.service
systemctl mask --quiet systemd-resolved.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer
systemctl disable --quiet firewalld.service ufw.service
# With cgroups of version 1 systemd misses the end of processes: a user's manager took two minutes to stop after the last
# session, and a login meanwhile waited for that
mkdir -p /etc/systemd/logind.conf.d
printf '[Login]\nUserStopDelaySec=infinity\n' > /etc/systemd/logind.conf.d/lab.conf
