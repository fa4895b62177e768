# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's IoT Hub: one asyncio process. codec (no I/O) <- registry <- server <- admin."""
