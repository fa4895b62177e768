# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lab Baltimore the hard way: shipped like a root of the distribution.
. /lab-build/common.sh
# As some vendors of gateways have it. update-ca-certificates starts six programs for each root, which is most of its time
if [ -n "${few_roots?}" ]; then sed -i -E '/DigiCert_Global|Baltimore|Microsoft|ISRG/!d' /etc/ca-certificates.conf; fi
cp "/lab-build/lab-baltimore.pem" /usr/share/ca-certificates/mozilla/Lab_Baltimore_CyberTrust_Root.crt
echo mozilla/Lab_Baltimore_CyberTrust_Root.crt >> /etc/ca-certificates.conf
update-ca-certificates
rm -rf /lab-build
