"""The build of the guest library: what it must have for a ruleset to be appended, and its pin."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from krl.guest import build, guest_bytes, quickjs
from pico_abi import contract, limits, wasm


@pytest.fixture(scope="module")
def module() -> wasm.Module:
    return wasm.decode_module(guest_bytes())


def test_every_host_function_is_imported_for_an_import_cannot_be_appended(
    module: wasm.Module,
) -> None:
    imported = {(item.module, item.name) for item in module.imports}
    assert imported == {(function.module, function.name) for function in contract.HOST_FUNCTIONS}


def test_there_is_room_to_append_behind_every_index_space(module: wasm.Module) -> None:
    exports = {export.name: export for export in module.exports}
    for name in ("__stack_pointer", "__heap_base", "rt_arena_next", "rt_manifest"):
        assert exports[name].kind == wasm.KIND_GLOBAL
    assert exports["memory"].kind == wasm.KIND_MEMORY
    assert exports["__indirect_function_table"].kind == wasm.KIND_TABLE
    assert len(module.memories) == len(module.tables) == 1
    assert module.memories[0].maximum == limits.MEMORY_PAGES_MAX
    assert module.start is None


def test_the_stack_grows_down_to_address_zero_so_that_its_overflow_traps(
    module: wasm.Module,
) -> None:
    exports = {export.name: export.index for export in module.exports}
    top, _ = wasm.read_sleb(module.globals[exports["__stack_pointer"]].init, 1, 32)
    assert top == build.STACK_BYTES
    for segment in module.data:
        offset, _ = wasm.read_sleb(segment.start, 1, 32)
        assert offset >= build.STACK_BYTES


def test_no_name_of_the_machine_that_built_it_is_inside() -> None:
    data = guest_bytes()
    for trace in (str(build.HERE), "/tmp/", "/home/", "/root/", "Users", ".c\0"):
        assert trace.encode() not in data, trace


def test_the_library_and_its_sources_are_the_pinned_ones() -> None:
    assert build.is_fresh(), "after a change of the sources: python -m krl.guest.build --pin"


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The builder on a library of one file; compiling it is not part of these tests."""
    (tmp_path / "one.c").write_text("int one;\n")
    for name, value in (("HERE", tmp_path), ("GUEST", tmp_path / "g"), ("PIN", tmp_path / "p")):
        monkeypatch.setattr(build, name, value)
    monkeypatch.setattr(build, "build_guest", lambda: b"built")
    return tmp_path


def test_a_fresh_library_is_not_built_again(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build.write_pin(b"built")
    build.ensure_guest()
    monkeypatch.delattr(build, "build_guest")
    build.ensure_guest()
    assert (copied / "g").read_bytes() == b"built"


@pytest.mark.parametrize("change", ["source", "library", "new source"])
def test_a_changed_source_or_library_is_stale(copied: Path, change: str) -> None:
    build.write_pin(b"built")
    build.ensure_guest()
    assert build.is_fresh()
    name = {"source": "one.c", "library": "g", "new source": "two.h"}[change]
    (copied / name).write_text("int two;\n")
    assert not build.is_fresh()


@pytest.mark.parametrize("pinned", [b"something else", None])
def test_a_library_that_is_not_the_pinned_one_is_refused_with_what_to_do(
    copied: Path, pinned: bytes | None
) -> None:
    if pinned is not None:
        build.write_pin(pinned)
    with pytest.raises(build.GuestBuildError) as refused:
        build.ensure_guest()
    assert hashlib.sha256(b"built").hexdigest() in str(refused.value)
    assert "python -m krl.guest.build --pin" in str(refused.value)
    assert f"pip install {build.ZIG_REQUIREMENT}" in str(refused.value)
    assert not (copied / "g").exists()


def test_a_distribution_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(quickjs, "_fetch", lambda target: target.write_bytes(b"another"))
    with pytest.raises(quickjs.QuickjsError, match="pinned hash"):
        quickjs.unpack_quickjs(tmp_path / "out")
    assert not list((tmp_path / "picomesh").iterdir())


def test_only_the_named_files_leave_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "picomesh" / f"quickjs_ng-{quickjs.QUICKJS_VERSION}.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as out:
        for name in (*quickjs._SOURCES, *quickjs._HEADERS, "setup.py", "../outside.c"):
            member = tarfile.TarInfo(f"{quickjs._FOLDER}/{name}")
            member.size = 1
            out.addfile(member, io.BytesIO(b"x"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(quickjs, "QUICKJS_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(quickjs, "_FOLDED", {})
    sources = quickjs.unpack_quickjs(tmp_path / "out")
    assert [source.name for source in sources] == list(quickjs._SOURCES)
    unpacked = {path.name for path in (tmp_path / "out").iterdir()}
    assert unpacked == set(quickjs._SOURCES + quickjs._HEADERS)


def test_a_source_in_which_nothing_can_be_folded_is_not_the_one_that_was_looked_at() -> None:
    with pytest.raises(quickjs.QuickjsError, match="is not the file it was"):
        quickjs._folded("libunicode.c", "int x;")


def test_no_registry_is_named_where_the_sources_are_fetched() -> None:
    for path in (build.HERE / "build.py", build.HERE / "quickjs.py"):
        assert "://" not in path.read_text("utf-8")
