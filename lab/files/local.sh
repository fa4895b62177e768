# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lab Baltimore twice: shipped, and as an administrator's own copy under another name.
mkdir -p /usr/local/share/ca-certificates
cp /lab-build/lab-baltimore.pem /usr/local/share/ca-certificates/lab-baltimore.crt
. /lab-build/plain.sh
