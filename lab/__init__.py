# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local fleet and hub of the demo and the tests. Runs on a developer's machine, talks to its own hosts only."""
