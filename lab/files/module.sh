# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A device whose agent has an identity of its own at the hub.
export front_end=module
export inbox_group=root
. /lab-build/device.sh
