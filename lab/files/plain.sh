# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lab Baltimore the hard way: shipped like a root of the distribution.
. /lab-build/common.sh
cp "/lab-build/lab-baltimore.pem" /usr/share/ca-certificates/mozilla/Lab_Baltimore_CyberTrust_Root.crt
echo mozilla/Lab_Baltimore_CyberTrust_Root.crt >> /etc/ca-certificates.conf
update-ca-certificates
rm -rf /lab-build
