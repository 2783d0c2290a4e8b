"""Homes that cannot be used: each has a clear message, and nothing in them is touched."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from picomesh.engine import Engine, Options
from picomesh.store.errors import DamagedStore, StoreError
from picomesh.store.held import Sent
from picomesh.store.home import default_home, open_home
from picomesh.store.store import Store
from wat_guests import counter


def make(folder: Path) -> None:
    with Engine.open(folder) as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
        engine.send("me", "a", "b")


def test_a_home_is_private_to_its_owner(tmp_path: Path) -> None:
    make(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "home" / "engine.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home" / "picomesh.sqlite3").stat().st_mode) == 0o600
    (tmp_path / "home" / "engine.key").chmod(0o644)
    Engine.open(tmp_path / "home").close()
    assert stat.S_IMODE((tmp_path / "home" / "engine.key").stat().st_mode) == 0o600


def test_the_default_home_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICOMESH_HOME", "/somewhere")
    assert default_home() == Path("/somewhere")
    monkeypatch.delenv("PICOMESH_HOME")
    assert default_home() == Path.home() / ".picomesh"


def test_a_home_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    make(tmp_path)
    database = sqlite3.connect(tmp_path / "picomesh.sqlite3")
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = (tmp_path / "picomesh.sqlite3").read_bytes()
    with pytest.raises(StoreError, match="store version 99, this picomesh reads 3") as told:
        Engine.open(tmp_path)
    assert told.value.hint
    assert (tmp_path / "picomesh.sqlite3").read_bytes() == before


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")]
)
def test_a_home_that_cannot_be_written_has_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(*_: object) -> int:
        raise error

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match="cannot write to the home") as told:
        open_home(tmp_path)
    assert "--home" in told.value.hint


def test_a_home_that_is_a_file_has_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        open_home(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot write"):
        open_home(tmp_path / "file" / "below")


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_truncated_database_is_reported_as_damaged(tmp_path: Path, kept: float) -> None:
    make(tmp_path)
    path = tmp_path / "picomesh.sqlite3"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(DamagedStore) as told, Engine.open(tmp_path) as engine:
        engine.send("me", "a", "b")
        engine.log("me")
    assert "backup" in told.value.hint


def test_a_database_that_is_none_is_reported_as_damaged(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "picomesh.sqlite3").write_bytes(b"not a database " * 100)
    with pytest.raises(DamagedStore):
        Engine.open(tmp_path)


def test_an_emptied_database_does_not_make_a_new_identity(tmp_path: Path) -> None:
    """The key stays; whoever lost the database is not told that all is well."""
    make(tmp_path)
    with Engine.open(tmp_path) as engine:
        key = engine.public_key
    (tmp_path / "picomesh.sqlite3").unlink()
    with Engine.open(tmp_path) as engine:
        assert engine.public_key == key and engine.store.picos() == []


@pytest.mark.parametrize("content", [None, b"", b"short", b"k" * 33])
def test_a_home_without_its_key_is_refused(tmp_path: Path, content: bytes | None) -> None:
    make(tmp_path)
    if content is None:
        (tmp_path / "engine.key").unlink()
    else:
        (tmp_path / "engine.key").write_bytes(content)
    with pytest.raises(StoreError, match=r"engine\.key") as told:
        Engine.open(tmp_path)
    assert "backup" in told.value.hint


def test_two_processes_do_not_use_a_home_at_once(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    with pytest.raises(StoreError, match="used by another"):
        open_home(tmp_path, wait_s=0.1)
    threading.Timer(0.1, home.close).start()
    open_home(tmp_path, wait_s=10).close()


def test_a_home_is_free_again_when_opening_it_failed(tmp_path: Path) -> None:
    make(tmp_path)
    key = (tmp_path / "engine.key").read_bytes()
    (tmp_path / "engine.key").write_bytes(b"")
    with pytest.raises(StoreError):
        Engine.open(tmp_path)
    (tmp_path / "engine.key").write_bytes(key)
    Engine.open(tmp_path).close()


def test_a_transaction_that_fails_changes_nothing() -> None:
    store = Store.in_memory()
    with pytest.raises(KeyboardInterrupt), store.transaction() as database:
        database.execute("INSERT INTO pico VALUES ('p', 'n', 0)")
        raise KeyboardInterrupt
    assert store.picos() == []
    with pytest.raises(StoreError), store.transaction() as database:
        database.execute("INSERT INTO pico VALUES ('p', 'n', 0)")
        database.execute("INSERT INTO pico VALUES ('p', 'n', 0)")
    assert store.picos() == []
    assert store.accept(Sent("p", b"", 0, b"")) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from picomesh.engine import Engine
engine = Engine.open(Path(sys.argv[1]))
for number in range(40):
    engine.send("me", "a", "b")
    print(number + 1, flush=True)
    if number == int(sys.argv[2]):
        engine.accept("me", "a", "b")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("after", [0, 3])
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, after: int) -> None:
    make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(after)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    acknowledged = int(done.stdout.split()[-1])
    with Engine.open(tmp_path) as engine:
        assert engine.query("me", "t", "n") == 1 + acknowledged
        assert len(engine.process_waiting()) == 1
        assert engine.query("me", "t", "n") == 2 + acknowledged


def cache_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.cwasm") if path.is_file()]


def test_compiled_modules_are_kept_and_private(tmp_path: Path) -> None:
    make(tmp_path)
    (file,) = cache_files(tmp_path / "cache")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["a-flipped-bit", "cut-short", "empty", "of-another-module"])
def test_a_damaged_compiled_module_is_compiled_again(tmp_path: Path, damage: str) -> None:
    make(tmp_path)
    (file,) = cache_files(tmp_path / "cache")
    good = file.read_bytes()
    middle = len(good) // 2
    file.write_bytes(
        {
            "a-flipped-bit": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            "cut-short": good[:middle],
            "empty": b"",
            "of-another-module": good[32:],
        }[damage]
    )
    with Engine.open(tmp_path) as engine:
        assert engine.send("me", "a", "b").transition.outcome == "ok"
    assert file.read_bytes() == good


def test_a_compiled_module_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    make(tmp_path)
    (file,) = cache_files(tmp_path / "cache")
    file.chmod(0o666)
    with Engine.open(tmp_path) as engine:
        assert engine.send("me", "a", "b").transition.outcome == "ok"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it was compiled again and replaced"


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Engine.ephemeral(Options(cache=tmp_path / "file" / "cache")) as engine:
        engine.create("me")
        assert engine.install_module("me", counter().build()).transition.outcome == "ok"


def test_a_group_is_durable_as_a_whole_and_a_member_can_fail_alone() -> None:
    store = Store.in_memory()
    with store.group():
        assert store.accept(Sent("p", b"1", 0, b"")) == 1
        with pytest.raises(KeyError), store.transaction() as database:
            database.execute("INSERT INTO pico VALUES ('p', 'n', 0)")
            raise KeyError
        assert store.accept(Sent("p", b"2", 0, b"")) == 2
    assert [item.event for item in store.waiting()] == [b"1", b"2"]
    assert store.picos() == []
    with pytest.raises(KeyError), store.group():
        store.accept(Sent("p", b"3", 0, b""))
        raise KeyError
    assert len(store.waiting()) == 2
    assert store.accept(Sent("p", b"4", 0, b"")) == 3, "and the store goes on"
