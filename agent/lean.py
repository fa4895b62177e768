# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Import modules without what their compilation leaves behind.

A zipapp has no bytecode, so 300 KB of source would be compiled in the process that then idles for months; the compiler's
memory never returns to the system. A forked child compiles, this process gets the code. zipimport compiles a module even to find
it, so what the child compiled is found here, too.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from importlib.machinery import ModuleSpec


class Compiled:
    """Finder and loader of modules whose code was made elsewhere; for sys.meta_path."""

    def __init__(self, codes):
        self._codes = codes

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name in self._codes else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self._codes.pop(module.__name__), module.__dict__)


def compile_elsewhere(names):
    """Have the modules of these names compiled by a child process, docstrings left out. Without a child all is as usual."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as stream:
                marshal.dump({name: _code(name) for name in names}, stream)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    _pid, status = os.waitpid(child, 0)
    if status == 0:
        sys.meta_path.insert(0, Compiled(marshal.loads(data)))


def _code(name):
    spec = importlib.util.find_spec(name)
    return compile(spec.loader.get_source(name), spec.origin, "exec", dont_inherit=True, optimize=2)


__all__ = ("compile_elsewhere",)
