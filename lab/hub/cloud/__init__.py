# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of Azure is around a hub: login (Microsoft Entra ID), ARM, Log Analytics, metrics, IMDS."""
