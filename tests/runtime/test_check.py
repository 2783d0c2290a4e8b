"""`picomesh check --fix`: which files it rewrites, what it says, and what it never touches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from picomesh import cli

OLD = """\
ruleset old {
  meta { logging on }
  rule r {
    select when old event where count > 1;
    send_directive("say") with
      all = event:attrs()
    fired { app:x := 1 }
  };
}
"""
NEW = """\
ruleset old {
  meta { }
  rule r {
    select when old event where event:attrs{"count"} > 1
    send_directive("say", {"all": event:attrs})
    fired { ent:x := 1 }
  }
}
"""
BROKEN = "ruleset broken { rule r { select when a b; pre { x = nothing } } }\n"
CLEAN = "ruleset clean { rule r { select when a b } }\n"

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Runs `picomesh check` in a folder of its own; gives exit code and both outputs."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.execute(["check", *arguments])
        return code, *capsys.readouterr()

    return run


def test_an_old_ruleset_is_rewritten_and_what_changed_is_shown(
    check: Check, tmp_path: Path
) -> None:
    (tmp_path / "old.krl").write_text(OLD.replace("meta { logging on }", "meta { }"))
    code, out, err = check("--fix", "old.krl")
    assert (tmp_path / "old.krl").read_text() == NEW
    assert code == 0 and err == "1 file, none with errors\n"
    assert out.splitlines()[0] == (
        "old.krl: rewritten: stray `;` (2), `with` after an action (1), undefined id: count (1), "
        "event:attrs is a map, not a function (1), app:x is an application variable (1)"
    )
    assert "  -      all = event:attrs()\n" in out
    assert '  +    send_directive("say", {"all": event:attrs})\n' in out


def test_json_says_what_was_fixed_and_what_is_left(check: Check, tmp_path: Path) -> None:
    for name, text in (("a", OLD), ("b", BROKEN), ("c", CLEAN)):
        (tmp_path / f"{name}.krl").write_text(text)
    code, out, err = check("--fix", "--json", ".")
    assert code == 1 and err == ""
    old, broken, clean = (json.loads(line) for line in out.splitlines())
    assert (old["ok"], old["diagnostics"]) == (True, [])
    assert {"title": "meta logging is deprecated", "line": 2, "column": 10} in old["fixed"]
    assert not broken["ok"] and len(broken["fixed"]) == 1
    assert [item["title"] for item in broken["diagnostics"]] == ["undefined id: nothing"]
    assert clean == {"file": "c.krl", "ok": True, "diagnostics": [], "fixed": []}
    code, out, _ = check("--json", ".")
    assert code == 1
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [True, False, True]
    assert "fixed" not in out


def test_without_the_option_no_file_is_written(check: Check, tmp_path: Path) -> None:
    (tmp_path / "old.krl").write_text(OLD)
    assert check("old.krl")[0] == 1
    assert (tmp_path / "old.krl").read_text() == OLD


def test_a_file_without_fixes_is_not_written(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "clean.krl"
    file.write_text(CLEAN)
    os.utime(file, (1, 1))
    before = file.stat()
    code, out, _ = check("--fix", "clean.krl")
    assert (code, out) == (0, "")
    assert (file.stat().st_mtime, file.stat().st_ino) == (1, before.st_ino)


def test_a_rewritten_file_keeps_its_mode_its_mark_its_line_ends_and_its_link(
    check: Check, tmp_path: Path
) -> None:
    file, link = tmp_path / "old.krl", tmp_path / "link.krl"
    file.write_bytes(b"\xef\xbb\xbf" + OLD.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    link.symlink_to("old.krl")
    assert check("--fix", "link.krl")[0] == 0
    new = NEW.replace("  meta { }", "  meta {  }").replace("\n", "\r\n").encode()
    assert file.read_bytes() == b"\xef\xbb\xbf" + new
    assert file.stat().st_mode & 0o777 == 0o640 and link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.krl", "old.krl"]


def test_a_rewrite_that_cannot_be_finished_leaves_the_file_and_no_other(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "old.krl").write_text(OLD)
    monkeypatch.setattr(os, "replace", fail)
    code, out, err = check("--fix", "old.krl")
    assert code == 2 and out == "" and "cannot write old.krl: No space left on device" in err
    assert (tmp_path / "old.krl").read_text() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["old.krl"]


def test_a_read_only_file_is_refused(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.krl").write_text(OLD)
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: mode != os.W_OK)
    code, _, err = check("--fix", "old.krl")
    assert code == 2 and "read-only" in err
    assert (tmp_path / "old.krl").read_text() == OLD


def test_a_rewrite_keeps_bytes_that_are_not_utf8(check: Check, tmp_path: Path) -> None:
    (tmp_path / "latin.krl").write_bytes(b"ruleset a { ; // caf\xe9\n}")
    code, out, _ = check("--fix", "--json", "latin.krl")
    assert code == 0 and len(json.loads(out)["fixed"]) == 1
    assert (tmp_path / "latin.krl").read_bytes() == b"ruleset a {  // caf\xe9\n}"


def test_a_file_in_utf16_is_left_alone(check: Check, tmp_path: Path) -> None:
    content = "ruleset a { ; }".encode("utf-16")
    (tmp_path / "wide.krl").write_bytes(content)
    code, out, _ = check("--fix", "--json", "wide.krl")
    assert code == 1 and json.loads(out)["fixed"] == []
    assert (tmp_path / "wide.krl").read_bytes() == content


def test_a_long_rewrite_is_shown_in_part_and_control_characters_as_their_code(
    check: Check, tmp_path: Path
) -> None:
    rules = "".join(f"  rule r{n} {{ select when a b; /* \x1b */ }}\n" for n in range(100))
    (tmp_path / "old.krl").write_text(f"ruleset old {{\n{rules}}}\n")
    code, out, _ = check("--fix", "old.krl")
    assert code == 0 and out.startswith("old.krl: rewritten: stray `;` (100)\n")
    assert len(out.splitlines()) == 62 and out.splitlines()[-1] == "  … 141 lines more"
    assert "\x1b" not in out and "<U+001B>" in out
