# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A device whose own application holds the connection and hands orders over; it is nobody in particular.
set -eu
useradd --system --uid 990 --user-group --no-create-home application
mkdir -p /opt/application/packages
cp /lab-build/inbox_application.py /lab-build/device_application.py /opt/application/
cp /lab-build/application.service /etc/systemd/system/
systemctl enable --quiet application.service
export front_end=inbox
export inbox_group=application
. /lab-build/device.sh
