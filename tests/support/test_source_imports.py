"""The reader of imports sees what Python would import."""

from pathlib import Path

import pytest

from support.source_imports import imports_of


@pytest.mark.parametrize(
    ("statement", "name", "at_module_level"),
    [
        ("import a.b", "a.b", True),
        ("from a import b", "a.b", True),
        ("from . import b", "top.inner.b", True),
        ("from ..c import b", "top.c.b", True),
        ("def f():\n    import a", "a", False),
        ("class K:\n    import a", "a", True),
        ("if True:\n    try:\n        import a\n    except ImportError:\n        pass", "a", True),
        ("class K:\n    async def f(self):\n        from a import b", "a.b", False),
    ],
)
def test_import_is_seen(statement: str, name: str, at_module_level: bool, tmp_path: Path) -> None:
    folder = tmp_path / "top" / "inner"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text(statement)
    [found] = imports_of(tmp_path, "top")
    assert (found.importer, found.name, found.at_module_level) == ("top.inner.module", name, at_module_level)
