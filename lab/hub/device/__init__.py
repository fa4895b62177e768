# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices speak: MQTT 3.1.1 over TCP and WebSocket, and DPS. codec (no I/O) <- connection <- hub_session, dps."""
