# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A device that is switched on when all is over. It can only hear of its orders because its distribution ships the new root
# beside the old one, as Debian does DigiCert's and Baltimore; without that it would be stranded, as the holdouts show.
cp /lab-build/lab-g2.pem /usr/share/ca-certificates/mozilla/Lab_DigiCert_Global_Root_G2.crt
echo mozilla/Lab_DigiCert_Global_Root_G2.crt >> /etc/ca-certificates.conf
. /lab-build/inbox.sh
