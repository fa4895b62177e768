# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The on-device agent: orders from a device twin, carried out by the core, without Ansible (docs/agent.md)."""
