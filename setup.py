"""Compiles the modules that obelics_pipeline/compiled.py names, where it can; all else stands in setup.cfg.

Where it cannot, the same modules run as they are, more slowly. The environment variable OBELICS_COMPILE=0
leaves them as they are, OBELICS_COMPILE=1 makes a failure fatal.
"""

import os
import runpy
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
WISH = os.environ.get("OBELICS_COMPILE", "")
BUILDING = {"build", "build_ext", "bdist_wheel", "editable_wheel", "install"} & set(sys.argv)
FLAGS = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
MADE_FROM = TemporaryDirectory(prefix="obelics-")  # the C code, which need not outlive the compilation


def not_compiled(reason: str) -> list[Extension]:
    """No extension modules, said in one line; the end if they were demanded."""
    message = f"obelics-builder: extraction is not compiled and will be slower: {reason}"
    if WISH == "1":
        sys.exit(message)
    print(message, file=sys.stderr)
    return []


def extensions() -> list[Extension]:
    """The extension modules, as C code; none if there is no mypyc, no C compiler or nothing to build."""
    if WISH == "0" or not BUILDING:
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        return not_compiled("no mypyc here (pip install mypy)")
    if not compiles("#include <Python.h>\n"):
        return not_compiled("no C compiler with the headers of Python (apt-get install gcc python3-dev)")
    compiled = runpy.run_path(str(ROOT / "obelics_pipeline/compiled.py"))
    modules = [str(path.relative_to(ROOT)) for path in compiled["sources"]()]
    try:
        return mypycify(
            [*FLAGS, *modules],
            opt_level="3",
            debug_level="0",
            group_name=compiled["library"](),
            target_dir=MADE_FROM.name,
        )
    except (Exception, SystemExit) as error:  # mypycify exits if the types are wrong
        return not_compiled(f"mypyc refuses the sources, see above: {shorten(str(error), 100)}")


def compiles(code: str) -> bool:
    """Whether the C compiler that Python knows of takes ``code``."""
    from distutils.ccompiler import new_compiler
    from distutils.sysconfig import customize_compiler

    compiler = new_compiler()
    customize_compiler(compiler)
    includes = [sysconfig.get_path(name) for name in ("include", "platinclude")]
    with TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(code)
        try:
            compiler.compile([str(source)], output_dir=folder, include_dirs=includes)
        except Exception:
            return False
    return True


class AllOrNone(build_ext):
    """Builds all extension modules or none: without their shared library they could not be imported."""

    def run(self) -> None:
        """Build; if it fails, remove what was made of it."""
        try:
            super().run()
        except Exception as error:
            for path in self.get_outputs():
                Path(path).unlink(missing_ok=True)
            self.extensions = not_compiled(f"building failed, see above: {shorten(str(error), 100)}")


setup(ext_modules=extensions(), cmdclass={"build_ext": AllOrNone})
