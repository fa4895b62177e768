# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IoT Hub's query language (azure-docs iot-hub-devguide-query-language): tokens <- parse <- evaluate, all without I/O."""
