"""A home of the reference engine comes over whole, or not at all, and says what is missing.

`home.zip` and `home.json` were made by running the reference with the rulesets beside them:
`record.cjs` is how. The first is its LevelDB, the second the dump and what it answered.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from click.testing import CliRunner

from picomesh.cli.commands import picomesh
from picomesh.engine import Engine, OperatorError
from picomesh.engine.entities import ENTITIES, read_entities, spread
from picomesh.engine.family import children_of, parent_of
from picomesh.engine.history import verify_home
from picomesh.engine.inputs import Import
from picomesh.engine.migration.bring import bring_home
from picomesh.engine.migration.charwise import decode_key
from picomesh.engine.migration.files import decode_json, read_rows
from picomesh.engine.migration.origin import read_home
from picomesh.engine.migration.report import Report
from picomesh.engine.migration.rulesets import Library
from picomesh.engine.perform import perform
from picomesh.engine.records import Layered
from picomesh.engine.rerun import rerun
from picomesh.ledger.value import Value, encode_value

HERE = Path(__file__).parent
DUMP: dict[str, Any] = json.loads((HERE / "home.json").read_text("utf-8"))
ROOT = "id000"
NOTES_URL = "https://rulesets.example/krl/test.notes.krl"


def brought(dump: dict[str, Any], tmp_path: Path, engine: Engine) -> Report:
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(dump), "utf-8")
    report = Report()
    home = read_home(read_rows(file), report)
    bring_home(engine, home, Library(home.sources, None), report)
    return report


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.ephemeral() as engine:
        yield engine


@pytest.fixture
def dump() -> dict[str, Any]:
    return copy.deepcopy(DUMP)


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Report]]:
    """The home as it was recorded, brought once, for tests that only look."""
    with Engine.ephemeral() as engine:
        yield engine, brought(DUMP, tmp_path_factory.mktemp("dump"), engine)


def put(dump: dict[str, Any], key: list[str], value: Any) -> None:
    """Adds a row, or replaces it; None takes it away."""
    dump["db"] = [row for row in dump["db"] if row[0] != key]
    if value is not None:
        dump["db"].append([key, value])


def row(dump: dict[str, Any], *key: str) -> Any:
    return next(value for found, value in dump["db"] if tuple(found) == key)


def whys(report: Report, kind: str) -> dict[str, str]:
    return {item.name: item.why for item in report.left if item.kind == kind}


def pico_of(report: Report, was: str) -> str:
    return next(item.pico for item in report.picos if item.was == was)


# -- what comes over


def test_an_imported_home_answers_as_the_reference_did(arrived: tuple[Engine, Report]) -> None:
    engine, _ = arrived
    for asked in DUMP["answers"]:
        pico = engine.pico_of(asked["eci"])
        assert pico is not None
        answer = engine.query(pico, asked["rid"], asked["name"], asked["args"], eci=asked["eci"])
        assert json.dumps(answer) == json.dumps(asked["answer"]), asked


def test_every_entity_variable_is_what_it_was_to_the_byte(
    arrived: tuple[Engine, Report],
) -> None:
    engine, report = arrived
    left = {(item.pico, item.rid, item.name) for item in report.left}
    compared = 0
    for key, value in DUMP["db"]:
        if key[0] != "entvar" or (key[1], key[2], key[3]) in left:
            continue
        pico = pico_of(report, key[1])
        found = read_entities(engine.state(pico).items(ENTITIES))[key[2]][key[3]]
        assert encode_value(found) == encode_value(decode_json(json.dumps(value))), key
        compared += 1
    assert compared >= 15


def test_an_imported_history_verifies_and_replays(
    arrived: tuple[Engine, Report],
) -> None:
    engine, report = arrived
    assert verify_home(engine.store, engine.public_key).problems == ()
    for item in report.picos:
        assert rerun(engine.store, engine.public_key, engine.programs, item.pico).is_equal
    assert engine.log(pico_of(report, ROOT))[-1].core.kind == "import"


def test_parents_and_children_find_each_other_by_the_channels_they_had(
    arrived: tuple[Engine, Report],
) -> None:
    engine, report = arrived
    kids = children_of(engine.state(pico_of(report, ROOT)))
    assert [child.eci for child in kids] == row(DUMP, "pico", ROOT)["children"]
    for child in kids:
        parent = parent_of(engine.state(child.pico))
        assert parent is not None and parent.pico == pico_of(report, ROOT)
        assert engine.pico_of(parent.eci) == parent.pico
    grandchildren = children_of(engine.state(kids[0].pico))
    assert len(grandchildren) == 1 and not children_of(engine.state(kids[1].pico))


def test_channels_keep_their_names_tags_and_policies_and_no_other_is_open(
    arrived: tuple[Engine, Report],
) -> None:
    engine, report = arrived
    there = [
        value
        for key, value in DUMP["db"]
        if key[0] == "pico-channel" and value["familyChannelPicoID"] is None
    ]
    for record in there:
        pico = engine.pico_of(record["id"])
        assert pico == pico_of(report, record["picoId"])
        found = engine.state(pico).channel(record["id"])
        assert found is not None
        assert {**found, "picoId": record["picoId"]} == record
    is_open = [
        channel["id"]
        for item in report.picos
        for channel in engine.state(item.pico).channels()
        if channel["familyChannelPicoID"] is None
    ]
    assert sorted(map(str, is_open)) == sorted(record["id"] for record in there)
    narrow = next(record["id"] for record in there if record["tags"] == ["narrow"])
    with pytest.raises(OperatorError, match="Denied by channel policy"):
        engine.send(pico_of(report, ROOT), "notes", "plan", eci=narrow)


def test_a_pico_may_go_on_using_its_old_name_as_a_channel_and_nobody_else_may(
    arrived: tuple[Engine, Report],
) -> None:
    engine, report = arrived
    pico = pico_of(report, ROOT)
    assert engine.pico_of(ROOT) == pico
    assert engine.event_refusal(pico, ROOT, "a", "b", pico) is None
    assert engine.event_refusal(pico, ROOT, "a", "b", "somebody") is not None


def test_an_imported_pico_goes_on_living(
    dump: dict[str, Any], tmp_path: Path, engine: Engine
) -> None:
    brought(dump, tmp_path, engine)
    attrs: dict[str, Value] = {"key": "new", "value": 1}
    assert engine.send("root", "notes", "keep", attrs).transition.outcome == "ok"
    assert engine.query("root", "test.notes", "log") == ["z", "a", "m", "7", "3", "new"]
    assert engine.send("root", "notes", "many").transition.outcome == "ok"


def test_schedules_come_over_and_fire(dump: dict[str, Any], tmp_path: Path, engine: Engine) -> None:
    schedule = row(dump, "entvar", ROOT, "test.notes", "_schedule")
    once = next(entry for entry in schedule.values() if entry["type"] == "at")
    once["time"] = 1_000
    report = brought(dump, tmp_path, engine)
    assert report.total("schedules") == (4, 4)
    engine.run_due()
    entities = read_entities(engine.state("root").items(ENTITIES))["test.notes"]
    assert entities["due"] == ["once"]
    assert isinstance(entities["_schedule"], dict) and len(entities["_schedule"]) == 1


def test_the_order_of_rulesets_is_the_references_but_for_modules(
    arrived: tuple[Engine, Report],
) -> None:
    engine, report = arrived
    assert [item.rid for item in engine.state("root").rulesets()] == [
        "io.picolabs.wrangler",
        "test.kids",
        "test.words",
        "test.notes",
    ]
    assert any("test.words, test.notes" in note for note in report.notes)


def test_wrangler_here_knows_the_names_of_the_children(arrived: tuple[Engine, Report]) -> None:
    engine, _ = arrived
    answer = engine.query("root", "io.picolabs.wrangler", "children")
    assert isinstance(answer, list)
    assert [child["name"] for child in answer if isinstance(child, dict)] == ["Kid", ""]
    assert engine.query("root", "io.picolabs.wrangler", "name") == "Pico"


# -- what does not


def test_each_thing_that_cannot_come_is_named_with_its_reason(
    dump: dict[str, Any], tmp_path: Path, engine: Engine
) -> None:
    url = "https://rulesets.example/krl/x.krl"
    notes = {"config": {}, "url": url}
    dump["rulesets-db"].append([["url", url], {"krl": "ruleset test.bad { rule r { select } }"}])
    put(dump, ["pico-ruleset", ROOT, "test.bad"], {"rid": "test.bad", "config": notes})
    put(dump, ["entvar", ROOT, "test.bad", "x"], 1)
    put(dump, ["entvar", ROOT, "test.bad", "_schedule"], {"s1": {}})
    put(
        dump,
        ["pico-ruleset", ROOT, "test.lost"],
        {"rid": "test.lost", "config": {"url": "http://x/y"}},
    )
    put(dump, ["entvar", ROOT, "test.forgotten", "x"], 1)
    put(dump, ["entvar", ROOT, "test.words", "no/name"], 1)
    put(dump, ["entvar", ROOT, "test.words", "huge"], "x" * (1 << 20))
    put(dump, ["entvar", "nobody", "test.words", "x"], 1)
    put(dump, ["something", "else"], 1)
    deep: Any = 1
    for _ in range(130):
        deep = [deep]
    put(dump, ["entvar", ROOT, "test.words", "deep"], deep)
    channel = {"id": "odd", "picoId": ROOT, "tags": ["system"], "familyChannelPicoID": None}
    put(dump, ["pico-channel", "odd"], channel)
    event = {"eci": "gone", "domain": "a", "name": "b"}
    mine = {**event, "eci": row(dump, "pico", ROOT)["children"][0]}
    schedule = {
        "s2": {"type": "at", "time": 1, "event": event},
        "s3": {"type": "repeat", "timespec": "every day", "event": mine},
        "s4": {"type": "never", "event": mine},
    }
    put(dump, ["entvar", ROOT, "test.words", "_schedule"], schedule)

    report = brought(dump, tmp_path, engine)
    assert whys(report, "ruleset").keys() == {"test.bad", "test.lost"}
    assert "CompileError" in whys(report, "ruleset")["test.bad"]
    assert "only at http://x/y" in whys(report, "ruleset")["test.lost"]
    variables = {(item.rid, item.name): item.why for item in report.left if item.kind == "variable"}
    assert variables["test.bad", "x"] == "its ruleset was not brought"
    assert variables["test.forgotten", "x"] == "no ruleset has it"
    assert "not the name" in variables["test.words", "no/name"]
    assert "the limit" in variables["test.words", "huge"]
    assert "nested" in variables["test.words", "deep"]
    assert "no such variable" in variables["io.picolabs.wrangler", "of_the_reference_alone"]
    assert whys(report, "row") == {
        "entvar nobody test.words x": "it belongs to no pico",
        "something else": "unknown",
    }
    assert (
        "record of a channel" in whys(report, "channel")["odd"]
        or "system" in (whys(report, "channel")["odd"])
    )
    assert whys(report, "schedule").keys() == {"s1", "s2", "s3", "s4"}
    assert "gone" in whys(report, "schedule")["s2"]
    assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_ruleset_that_uses_one_that_did_not_come_does_not_come(
    dump: dict[str, Any], tmp_path: Path, engine: Engine
) -> None:
    dump["rulesets-db"] = [item for item in dump["rulesets-db"] if "words" not in item[0][1]]
    report = brought(dump, tmp_path, engine)
    why = [item.why for item in report.left if (item.kind, item.name) == ("ruleset", "test.notes")]
    assert why == ["Dependant module not loaded: test.words"] * 2


def test_a_ruleset_that_the_home_has_no_text_of_is_fetched_once(
    dump: dict[str, Any], tmp_path: Path, engine: Engine
) -> None:
    texts = {key[1]: value["krl"] for key, value in dump["rulesets-db"]}
    dump["rulesets-db"] = []
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if "kids" in url:
            raise OperatorError(f"Got a statusCode=404 for: {url}")
        return bytes(texts[url], "utf-8")

    file = tmp_path / "dump.json"
    file.write_text(json.dumps(dump), "utf-8")
    report = Report()
    home = read_home(read_rows(file), report)
    bring_home(engine, home, Library(home.sources, fetch), report)
    assert sorted(asked) == sorted(set(asked)) and len(asked) == 3
    assert "404" in whys(report, "ruleset")["test.kids"]
    assert report.total("rulesets") == (8, 7)


def test_a_family_that_is_torn_comes_as_far_as_it_holds(
    dump: dict[str, Any], tmp_path: Path, engine: Engine
) -> None:
    first = row(dump, "pico", ROOT)["children"][0]
    put(dump, ["pico-channel", first], None)
    report = brought(dump, tmp_path, engine)
    assert first in whys(report, "child")
    assert len(children_of(engine.state(pico_of(report, ROOT)))) == 1


def test_two_picos_of_one_name_get_two_names(
    dump: dict[str, Any], tmp_path: Path, engine: Engine
) -> None:
    for key, _ in list(dump["db"]):
        if key[0] == "entvar" and key[3] == "name":
            put(dump, key, "Pico")
    engine.create("root")
    report = brought(dump, tmp_path, engine)
    assert [item.name for item in report.picos if item.name] == ["Pico", "Pico 2"]


# -- all or nothing


def test_an_import_that_fails_changes_nothing(
    dump: dict[str, Any], tmp_path: Path, engine: Engine
) -> None:
    brought(dump, tmp_path, engine)
    before = engine.store.every_pico()
    with pytest.raises(OperatorError, match="in this home already"):
        brought(dump, tmp_path, engine)
    assert engine.store.every_pico() == before
    assert engine.send("root", "kids", "count").transition.outcome == "ok"


def test_an_import_that_fails_late_changes_nothing(
    dump: dict[str, Any], tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("picomesh.engine.migration.bring.read_entities", lambda items: {})
    with pytest.raises(OperatorError, match="arrived as another"):
        brought(dump, tmp_path, engine)
    assert engine.store.every_pico() == []
    assert list(engine.store.channels()) == []


def test_a_trial_says_the_same_and_keeps_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = ["import-engine", str(HERE / "home.json"), "--home", str(home), "--json"]
    trial = CliRunner().invoke(picomesh, [*arguments, "--dry-run"])
    assert trial.exit_code == 0 and not home.exists()
    CliRunner().invoke(picomesh, ["new", "--home", str(home)])
    again = CliRunner().invoke(picomesh, [*arguments, "--dry-run"])
    real = CliRunner().invoke(picomesh, arguments)
    said = [json.loads(done.output)["counts"] for done in (trial, again, real)]
    assert said[0] == said[1] == said[2]
    assert said[2]["picos"] == {"found": 4, "brought": 4}
    assert said[2]["variables"] == {"found": 17, "brought": 15}
    root = json.loads(real.output)["picos"][0]
    assert root["variables"]["test.notes"] == {"found": 8, "brought": 8}
    assert root["variables"]["io.picolabs.wrangler"] == {"found": 2, "brought": 1}
    with Engine.open(home) as engine:
        assert len(engine.store.picos()) == 5


def test_what_is_left_of_many_picos_is_one_line_to_a_reader(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        picomesh, ["import-engine", str(HERE / "home.json"), "--home", str(tmp_path / "home")]
    )
    assert "  2 picos: variable of_the_reference_alone of io.picolabs.wrangler: " in done.output
    assert "    15 of 17 variables\n" in done.output


def test_a_home_that_an_import_made_is_gone_again_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("picomesh.engine.migration.bring.read_entities", lambda items: {})
    home = tmp_path / "home"
    done = CliRunner().invoke(
        picomesh, ["import-engine", str(HERE / "home.json"), "--home", str(home)]
    )
    assert isinstance(done.exception, OperatorError) and not home.exists()


# -- the files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("plyvel", reason="reading LevelDB needs `pip install plyvel-ci`")
    with zipfile.ZipFile(HERE / "home.zip") as file:
        file.extractall(tmp_path / "pico-engine")
    return tmp_path / "pico-engine"


def test_the_database_of_the_reference_says_what_its_dump_says(folder: Path) -> None:
    dumped = read_rows(HERE / "home.json")
    read = read_rows(folder)
    assert sorted(read.picos, key=str) == sorted(dumped.picos, key=str)
    assert [key for key, _ in read.rulesets] == [key for key, _ in dumped.rulesets]
    assert json.dumps(dict(read.picos)["pico", ROOT]) == json.dumps(row(DUMP, "pico", ROOT))


def test_the_database_itself_may_be_named(folder: Path) -> None:
    assert read_rows(folder / "db").rulesets == read_rows(folder).rulesets != []


def test_reading_a_home_does_not_touch_it(folder: Path) -> None:
    def everything() -> dict[str, tuple[bytes, int]]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = everything()
    assert read_rows(folder).picos
    assert everything() == before


HOLD = """
import sys
import plyvel
database = plyvel.DB(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_home_that_an_engine_uses_is_refused(folder: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(folder / "db")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(OperatorError, match="an engine uses"):
            read_rows(folder)
        other.communicate()
    assert read_rows(folder).picos


def test_a_damaged_database_is_an_answer_not_a_crash(folder: Path) -> None:
    (folder / "db" / "CURRENT").write_text("MANIFEST-999999\n")
    with pytest.raises(OperatorError, match="cannot be read"):
        read_rows(folder)


def test_without_the_reader_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "CURRENT").touch()
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(OperatorError) as problem:
        read_rows(tmp_path)
    assert "picomesh[import]" in problem.value.hint


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"db": 5}', '{"db": [[1]]}', "\xff"])
def test_a_file_that_is_no_dump_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "dump.json"
    file.write_text(content, "latin-1")
    with pytest.raises(OperatorError):
        read_home(read_rows(file), Report())


def test_a_folder_that_is_no_home_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no LevelDB"):
        read_rows(tmp_path)
    with pytest.raises(OperatorError, match="nothing at"):
        read_rows(tmp_path / "missing")


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        (b"KJroot-pico!", ("root-pico",)),
        (b'KJentvar"Jp"Jt.api"Jcount!', ("entvar", "p", "t.api", "count")),
        (b'KJurl"Jhttp://x/?@a=??b?%c!', ("url", 'http://x/?a=!b"c')),
        (b"KJx?y!", ("x?y",)),
        (b"KG5!", None),
        (b"J", None),
        (b"\xff", None),
    ],
)
def test_a_key_is_read_as_charwise_writes_it(key: bytes, texts: tuple[str, ...] | None) -> None:
    assert decode_key(key) == texts


def test_numbers_and_orders_of_json_are_javascripts() -> None:
    text = '{"b": 1, "10": 9007199254740993, "2": -0, "a": 1e400, "b": 2, "c": 1234567890123456789}'
    value = decode_json(text)
    assert isinstance(value, dict) and list(value) == ["2", "10", "b", "a", "c"]
    assert encode_value(value["10"]) == encode_value(2.0**53)
    with pytest.raises(ValueError, match="NaN"):
        decode_json("NaN")


# -- the transition


KEEPER = """
ruleset keeper {
  rule keep { select when keeper keep always { ent:x := event:attrs{"x"} } }
}
"""


@pytest.mark.parametrize(
    "value",
    [
        list(range(63)),
        list(range(64)),
        {f"k{at}": at for at in range(63)},
        {**{f"k{at}": at for at in range(64)}, "7": "index", "": "empty"},
        {**{f"k{at}": at for at in range(64)}, "x" * 201: "too long"},
        {f"ä😀{at}": [at, {}] for at in range(99)},
        {"some": ["thing", 1.5, {"small": None}]},
    ],
    ids=["list", "long list", "map", "large map", "long key", "unicode", "whole"],
)
def test_a_variable_is_kept_as_the_guest_library_would_keep_it(
    engine: Engine, value: Value
) -> None:
    from picomesh.engine.library import compile_krl

    engine.create("me")
    engine.install_module("me", compile_krl(KEEPER))
    engine.send("me", "keeper", "keep", {"x": value})
    guest = dict(engine.state("me").items(b"ent/keeper/"))
    assert guest == {
        b"ent/keeper/" + path.encode(): encode_value(item) for path, item in spread("x", value)
    }


@pytest.mark.parametrize(
    "given",
    [
        Import("", None, [], None, [["missing", "x", b"\x01"]]),
        Import("", None, [], None, [["keeper", "a/b", b"\x01"]]),
        Import("", None, [], None, [["keeper", "x", b"\xff"]]),
        Import("", None, [], [b"\x01"], []),
        Import("", None, [], [encode_value({"id": "a/b", "tags": []})], []),
        Import("a/b", None, [], None, []),
        Import("", ["a/b", "p", "c"], [], None, []),
        Import("", None, [["a/b", "p", "c"]], None, []),
    ],
    ids=["rid", "name", "value", "channel", "slash", "old name", "parent", "child"],
)
def test_a_made_up_import_is_a_throw_and_writes_nothing(engine: Engine, given: Import) -> None:
    from picomesh.engine.library import compile_krl

    pico = engine.create("me").pico
    engine.install_module("me", compile_krl(KEEPER))
    work = engine.next_work(pico, given, 0, bytes(32))
    done = perform(engine.programs, Layered(engine.store), work)
    assert done.core.outcome == "throw" and done.core.writes == ()
