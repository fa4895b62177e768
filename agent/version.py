# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Which agent this is. The build writes the collection's version and a digest of the package's sources here."""

VERSION = "source"

__all__ = ("VERSION",)
