# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real certificates for the core's tests, as constants: the core's tests run on Pythons without cryptography.

The roots come from Debian's ca-certificates; the leaf and the intermediate were made once with the openssl command
and are valid until 2076.
"""

from __future__ import annotations

from pathlib import Path

ANCHORS = Path(__file__).resolve().parents[5] / "campaigns" / "anchors"


def root(name):
    return (ANCHORS / (name + ".pem")).read_text()


G2 = root("digicert-global-root-g2")
G2_SHA256 = "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f"
BALTIMORE = root("baltimore-cybertrust-root")
BALTIMORE_SHA256 = "16af57a9f676b0ab126095aa5ebadef22ab31119d644ac95cd4b93dbf3f26aeb"
INTERMEDIATE = """\
-----BEGIN CERTIFICATE-----
MIIByjCCAW+gAwIBAgIUZpuhNxvbmKfFDchuETJAqE4rBoIwCgYIKoZIzj0EAwIw
LTEXMBUGA1UECgwOUm9vdHdhdmUgdGVzdHMxEjAQBgNVBAMMCVRlc3QgUm9vdDAg
Fw0yNjExMjMxMzQxNDNaGA8yMDc2MTExMDEzNDE0M1owNTEXMBUGA1UECgwOUm9v
dHdhdmUgdGVzdHMxGjAYBgNVBAMMEVRlc3QgSW50ZXJtZWRpYXRlMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEB/LYOoxCRmUvQ2ubglFTuJpcIa5xs1Uhvmk0hZgk
YUHrUWSgzke3Z057aYRsNqr5DyMquqfNnz8ez9kPWJoU36NjMGEwDwYDVR0TAQH/
BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFK1IsTvQUyynjX4I5IA7
VNpW/Ei0MB8GA1UdIwQYMBaAFHxXtuQXA4jk9vPo/giG9YOzQx6/MAoGCCqGSM49
BAMCA0kAMEYCIQCtCrqsk9JC1uOQppaEJpHsMxkndy0C+XQTvx6K+AvliAIhAK2m
E8GWBM9wY4sS49K1fxQ6TWX6BNNv9gM6DswXVcCL
-----END CERTIFICATE-----
"""
LEAF = """\
-----BEGIN CERTIFICATE-----
MIIBtDCCAVqgAwIBAgIUG+1w121w8A0MfgUXGPC83+lvsdswCgYIKoZIzj0EAwIw
NTEXMBUGA1UECgwOUm9vdHdhdmUgdGVzdHMxGjAYBgNVBAMMEVRlc3QgSW50ZXJt
ZWRpYXRlMCAXDTI2MTEyMzEzNDE0M1oYDzIwNzYxMTEwMTM0MTQzWjAWMRQwEgYD
VQQDDAtodWIuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJtJhd0Y
jcartU/8o5ktFsxznn2DXFRvsrmNr12bCSiSNPcQliOT3/qfoG0hFXfMnA6osZoS
/kl7jWTSKjeWkbSjZTBjMAkGA1UdEwQCMAAwFgYDVR0RBA8wDYILaHViLmV4YW1w
bGUwHQYDVR0OBBYEFIKCSro+AtfNgHPbMBzJ0ORG2eLnMB8GA1UdIwQYMBaAFK1I
sTvQUyynjX4I5IA7VNpW/Ei0MAoGCCqGSM49BAMCA0gAMEUCIQC9F/SQ18L1kdj2
uTEDLwEAL1NtUtXxOA+C2tR54qtEpAIgPiREHT0Xk6kl6DPkcvtLNjNvc/bKA9Yq
j0V5sz+AjtM=
-----END CERTIFICATE-----
"""
