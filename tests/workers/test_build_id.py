"""The name of a worker's code: cheap to tell, the same for the same code, and of our own modules alone."""

import sys
from pathlib import Path
from types import ModuleType

from workers.build_id import build_id


def test_the_same_code_has_the_same_name_and_other_code_another(tmp_path: Path) -> None:
    file = tmp_path / "extra.py"
    file.write_text("a = 1\n")
    before = build_id()
    module = ModuleType("contracts.extra_for_this_test")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        with_it = build_id()
        file.write_text("a = 2\n")
        changed = build_id()
    finally:
        del sys.modules[module.__name__]

    assert len({before, with_it, changed}) == 3
    assert build_id() == before
    assert before.startswith("interlock-")
