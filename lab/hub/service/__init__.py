# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IoT Hub's service REST API (azure-docs rest/api/iothub/service), one file per group of calls, each with ``routes(hub)``."""
