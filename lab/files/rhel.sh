# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# RHEL's trust layout with p11-kit's real trust(1), on Debian: the layout and the tool, not the distribution.
. /lab-build/common.sh
source=/usr/share/pki/ca-trust-source
mkdir -p /etc/pki/ca-trust/source/anchors /etc/pki/ca-trust/source/blocklist /etc/pki/ca-trust/extracted/pem \
    /etc/pki/ca-trust/extracted/openssl "$source/anchors" "$source/blocklist" /etc/pki/tls/certs
# the distribution's roots in one file of p11-kit's own form, as RHEL ships them, Lab Baltimore among them
for root in /lab-build/lab-baltimore.pem /usr/share/ca-certificates/mozilla/*.crt; do
    printf '[p11-kit-object-v1]\ntrusted: true\nx-distrusted: false\n'
    cat "$root"
    printf '\n'
done > "$source/ca-bundle.trust.p11-kit"
rm -rf /etc/ssl/certs /etc/ca-certificates /etc/ca-certificates.conf /usr/share/ca-certificates \
    /usr/local/share/ca-certificates /usr/sbin/update-ca-certificates
mkdir -p /etc/ssl/certs
cat > /usr/share/p11-kit/modules/p11-kit-trust.module <<MODULE
module: p11-kit-trust.so
priority: 1
trust-policy: yes
x-trust-lookup: pkcs11:library-description=PKCS%2311%20Kit%20Trust%20Module
disable-in: p11-kit-proxy
x-init-reserved: paths='/etc/pki/ca-trust/source:$source'
MODULE
install -m 0755 "/lab-build/update-ca-trust" /usr/bin/update-ca-trust
update-ca-trust extract
ln -s /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt
rm -rf /lab-build
