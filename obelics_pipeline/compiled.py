"""Which modules are compiled, and whether that was done from the sources that are here.

The modules of extraction that take most of its time are typed Python, of which mypyc makes extension modules
(``setup.py``). Their shared library bears a digest of these sources in its name: after a change of a source,
what was compiled before is refused instead of being taken for it.
"""

from __future__ import annotations

import hashlib
import sysconfig
from pathlib import Path
from typing import Final, Literal

State = Literal["yes", "no", "outdated"]

FOLDER: Final = Path(__file__).parent
MODULES: Final = ("content", "features", "images", "nodes", "pictures", "rules", "tree", "walk")
"""The compiled modules of ``obelics_pipeline.dom``."""

READ: Final = ("document.py", "url.py")
"""What they import of the package: mypyc relies on its types and takes over its constants."""

SUFFIX: Final = sysconfig.get_config_var("EXT_SUFFIX")


def sources() -> list[Path]:
    """The files of the compiled modules."""
    return [FOLDER / "dom" / f"{name}.py" for name in MODULES]


def library() -> str:
    """The module that holds the compiled code of all modules; its name changes with the sources."""
    digest = hashlib.blake2b(digest_size=8)
    for path in (*sources(), *(FOLDER / name for name in READ)):
        data = path.read_bytes()
        digest.update(f"{path.stem} {len(data)}\n".encode())
        digest.update(data)
    return f"obelics_pipeline.dom.compiled_{digest.hexdigest()}"


def files() -> list[Path]:
    """What compilation makes, beside the sources: an extension module each, and the shared library."""
    shared = f"{library().rpartition('.')[2]}__mypyc"
    return [FOLDER / "dom" / f"{name}{SUFFIX}" for name in (*MODULES, shared)]


def state() -> State:
    """Whether Python finds compiled modules, and whether they were made of the sources that are here."""
    found = [path.exists() for path in files()]
    if not any(found[:-1]):
        return "no"
    return "yes" if all(found) else "outdated"


def refuse_outdated() -> None:
    """Raise ``ImportError`` if the modules that Python would import are not what the sources say."""
    if state() == "outdated":
        raise ImportError(
            f"{FOLDER / 'dom'}: the sources have changed since they were compiled: "
            f"run scripts/setup, or remove *.so there",
            name="obelics_pipeline.dom",
        )


if __name__ == "__main__":
    print(state())
