"""The build backend, where it is at hand: what it writes over a package in use."""
import importlib.util
import os
import pathlib

import pytest

BACKEND = pathlib.Path(__file__).resolve().parent.parent / "backend" / "bnorm_build.py"


@pytest.mark.skipif(not BACKEND.is_file(), reason="the backend is part of the source")
def test_building_in_place_spares_a_mapped_extension(tmp_path, monkeypatch):
    """Who has the old file mapped keeps it: the new one is another file under its name."""
    spec = importlib.util.spec_from_file_location("bnorm_build", BACKEND)
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)
    content = [b"first"]

    def compiled(folder):
        path = pathlib.Path(folder, "_core.abi3.so")
        path.write_bytes(content[0])
        return str(path)

    monkeypatch.setattr(backend, "compile_all", compiled)
    monkeypatch.setattr("sys.argv", ["bnorm_build.py", "--in-place", str(tmp_path)])
    backend.main()
    made = tmp_path / "bnorm" / "_core.abi3.so"
    with open(made, "rb") as mapped:
        content[0] = b"another"
        backend.main()
        assert mapped.read() == b"first" and made.read_bytes() == b"another"
    assert not [name for name in os.listdir(made.parent) if name.endswith(".new")]
