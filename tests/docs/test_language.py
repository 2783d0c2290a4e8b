"""The pages of the language say what is true: their examples run, their tables are complete.

`pytest --update-golden` writes the list of differences again, from
tests/conformance/differences.json; everything else is for the hand.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from docs.documents import ROOT, read
from docs.examples import (
    REFUSED,
    THROWS,
    Block,
    Expression,
    Program,
    blocks,
    expressions,
    is_program,
    machine,
    programs,
    shown,
    to_json,
)
from krl import library
from krl.compiler import check_source
from krl.diagnostic import Diagnostics, Source
from krl.lower import ir
from krl.lower.machine import build_machine
from krl.resolve.checks import TRANSITIONS_MAX
from krl.syntax import cursor, tree
from krl.syntax import expressions as operators
from krl.syntax.parser import parse
from pico_abi import limits, stack_words
from picomesh.scenario import run_case

FOLDER = ROOT / "docs" / "language"
PAGES = [
    "docs/language.md",
    *(f"docs/language/{path.name}" for path in sorted(FOLDER.glob("*.md"))),
]
BLOCKS = [block for page in PAGES for block in blocks(page, read(page))]
EXPRESSIONS = [
    item
    for block in BLOCKS
    if block.language == "krl" and not is_program(block)
    for item in expressions(block)
]
PROGRAMS = programs(BLOCKS)
MACHINES = [block for block in BLOCKS if block.language == "machine"]


# ---- examples ----------------------------------------------------------------------------------


def run(items: list[Expression]) -> list[dict[str, Any]]:
    case = {"exprs": [{"expr": item.text, "pre": item.declarations} for item in items]}
    results = run_case(case)["exprs"]
    assert isinstance(results, list)
    return results


def test_every_expression_has_the_value_that_is_written_beside_it() -> None:
    items = [item for item in EXPRESSIONS if item.wanted != REFUSED]
    wrong = []
    for item, result in zip(items, run(items), strict=True):
        actual = f"{THROWS} {result['error']}" if "error" in result else to_json(result["value"])
        refused = result.get("phase") == "compile"
        if refused or not (actual == item.wanted or actual.startswith(f"{item.wanted} ")):
            wrong.append(f"{item.place}: {item.text} → {actual}")
    assert not wrong, "\n".join(wrong)


def test_what_is_refused_does_not_compile() -> None:
    items = [item for item in EXPRESSIONS if item.wanted == REFUSED]
    wrong = [
        item.place
        for item, result in zip(items, run(items), strict=True)
        if result.get("phase") != "compile"
    ]
    assert len(items) >= 5 and wrong == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.block))
def test_a_ruleset_does_what_is_written_below_it(program: Program) -> None:
    checked = check_source(Source(str(program.block), program.block.text))
    assert [item.title for item in checked.diagnostics] == []
    case = {
        "rulesets": [{"krl": program.block.text}],
        "steps": [step.step for step in program.steps],
    }
    results = run_case(case)["results"]
    for step, result in zip(program.steps, results, strict=True):
        if "advance" not in step.step:
            assert shown(result, step.text) == step.wanted, f"{step.place}: {result}"


def test_every_block_of_the_pages_is_of_a_kind_that_is_checked() -> None:
    assert {block.language for block in BLOCKS} <= {"krl", "events", "machine", "text"}
    assert len(EXPRESSIONS) > 250 and len(PROGRAMS) > 15 and len(MACHINES) > 8


# ---- machines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", MACHINES, ids=lambda block: block.text.partition("\n")[0])
def test_a_machine_is_the_one_the_compiler_builds(block: Block) -> None:
    select, drawn = machine(block.text)
    checked = check_source(Source("m.krl", f"ruleset m {{ rule r {{ select when {select} }} }}"))
    assert checked.program is not None
    events: list[str] = []

    def number(base: tree.EventBase, _: tree.EventGroup | None) -> int:
        if base.type not in events:
            events.append(base.type)
        return events.index(base.type)

    node = parsed_select(select)
    _, transitions = build_machine(node, number)
    assert {hop(item, events) for item in transitions} == drawn


def parsed_select(select: str) -> tree.EventExpression:
    text = f"ruleset m {{ rule r {{ select when {select} }} }}"
    ruleset = parse(Source("m.krl", text), Diagnostics())
    assert ruleset is not None
    chosen = ruleset.rules[0].select
    assert isinstance(chosen, tree.SelectWhen)
    return chosen.event


def hop(item: ir.Transition, events: list[str]) -> tuple[str, str, str]:
    names = [events[base] for base in item.bases]
    label = f"not {' or not '.join(names)}" if item.negated else names[0]
    return state(item.source), label, state(item.target)


def state(number: int) -> str:
    return {0: "start", 1: "end"}.get(number, str(number - 1))


# ---- tables ------------------------------------------------------------------------------------


def rows(page: str, columns: int) -> list[list[str]]:
    """The rows of all tables with so many columns; `\\|` is a bar in a cell."""
    found = []
    for line in read(page).splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)]
            if len(cells) - 2 == columns:
                found.append(cells[1:-1])
    return found


def test_the_table_of_operators_has_all_of_them_with_their_precedence() -> None:
    written: dict[str, int] = {}
    for binds, text, _ in rows("docs/language/expressions.md", 3):
        if binds.isdigit():
            for operator in re.findall(r"`(\S+)`", text):
                written[operator] = int(binds)
    actual = {name: power for name, power in operators.OPERATOR_POWER.items() if power < 80}
    actual.pop("=>")
    infix = {"+", "-", "*", "/", "%", "==", "!=", "<=>", "<", ">", "<=", ">=", "><", "like", "cmp"}
    assert infix <= actual.keys() and len(infix) == 15
    for name, power in actual.items():
        assert written.get(name) == power or (name in "+-" and power == 50), name


KINDS = {"function": "", "action": "action", "both": "function and action", "property": "value",
         "postlude": "postlude"}  # fmt: skip


def signature(function: library.LibraryFunction) -> str:
    if function.kind == "property":
        return function.full_name
    return f"{function.full_name}({', '.join(function.parameters)})"


def test_the_library_has_every_function_with_its_parameters_and_its_kind() -> None:
    written = {
        found[1]: kind
        for cell, kind, _ in rows("docs/language/library.md", 3)
        if (found := re.fullmatch(r"`([^`]+)`", cell))
    }
    available = [function for function in library.TABLE if function.available]
    assert written == {signature(item): KINDS[item.kind] for item in available}


def test_what_is_said_to_be_not_available_yet_is_not() -> None:
    """And all else is: a question that the engine cannot answer throws these words."""
    table = rows("docs/language/library.md", 3)
    said = {found[1] for cell, _, text in table if "not available yet" in text
            if (found := re.match(r"`(ctx:\w+)", cell))}  # fmt: skip
    names = [item.full_name for item in library.TABLE if item.domain == "ctx"]
    rules = "".join(
        f"rule r{number} {{ select when a {name[4:]} {name}() }}\n"
        for number, name in enumerate(names)
    )
    steps = [{"event": {"domain": "a", "name": name[4:], "attrs": {}}} for name in names]
    case = {"rulesets": [{"krl": f"ruleset a {{\n{rules}}}"}], "steps": steps}
    results = zip(names, run_case(case)["results"], strict=True)
    assert said == {name for name, result in results if "not available" in str(result)}


def test_what_is_not_available_is_listed() -> None:
    text = read("docs/language/library.md").partition("## Not available")[2]
    for domain in ("ursa", "dido"):
        (line,) = re.findall(rf"^- `{domain}`: (.*?)\.$", text, re.MULTILINE | re.DOTALL)
        assert sorted(re.findall(r"`(\w+)`", line)) == library.names(domain)
    unavailable = {function.domain for function in library.TABLE if not function.available}
    assert unavailable == {"ursa", "dido"}


def test_the_library_is_81_operators_and_102_functions() -> None:
    assert len(library.names(None)) + 15 == 81
    assert sum(function.domain is not None for function in library.TABLE) == 102


def test_limits_have_the_values_of_the_code() -> None:
    known = {**vars(limits), **vars(stack_words), **vars(cursor)}
    known["TRANSITIONS_MAX"] = TRANSITIONS_MAX
    table = [row for row in rows("docs/language.md", 3) if re.fullmatch(r"`[A-Z_]+`", row[0])]
    assert len(table) >= 10
    for name, value, _ in table:
        assert known[name.strip("`")] == int(value.replace(",", "")), name


# ---- decisions ---------------------------------------------------------------------------------

DECISIONS = "docs/language/decisions.md"


def test_every_defect_of_the_reference_has_a_decision_and_a_test() -> None:
    table = [row for row in rows(DECISIONS, 5) if row[0].isdigit()]
    assert [int(row[0]) for row in table] == list(range(1, 21))
    for _, _, decision, why, shown_by in table:
        assert set(decision.split(", ")) <= {"emulated", "fixed", "rejected"}, decision
        assert why.endswith(".")
        pointers = re.findall(r"`([^`]+)`", shown_by)
        assert pointers
        for pointer in pointers:
            assert is_test(pointer), pointer


def is_test(pointer: str) -> bool:
    """`file: name`, where the file has a scenario, a case or a test of that name."""
    file, _, name = pointer.partition(": ")
    text = read(f"tests/{file}")
    if file.endswith(".json"):
        scenarios = json.loads(text)["scenarios"]
        return any(scenario["name"] == name for scenario in scenarios)
    if file.endswith(".test"):
        return f"\n[case {name}]\n" in text
    return f"\ndef test_{name}(" in text


def differences() -> str:
    """The list of differences as the page has it."""
    data = json.loads(read("tests/conformance/differences.json"))
    lines = ["", "**Expressions**", ""]
    for row in data["others"]:
        ours = f"`{to_json(row['answer'])}`" if "answer" in row else row["picomesh"]
        theirs = row["reference"]
        theirs = theirs if isinstance(theirs, str) else f"`{to_json(theirs)}`"
        lines.append(f"- `{row['expression']}`: here {ours}; there {theirs}. {row['reason']}")
    for row in data["recorded"]:
        lines.append(f"- `({row['left']}).{row['operator']}(..)`: {row['reason']}")
    lines += ["", "**Rules**, by the name of the recorded scenario", ""]
    lines += [f"- *{row['scenario']}*: {row['reason']}" for row in data["scenarios"]]
    lines += ["", "**Event expressions**", ""]
    lines += [f"- `{row['select']}`: {row['reason']}" for row in data["event expressions"]]
    return "\n".join(lines) + "\n"


def test_the_list_of_differences_is_the_one_the_tests_use(request: pytest.FixtureRequest) -> None:
    begin, end = "<!-- differences -->\n", "<!-- end -->"
    head, _, rest = read(DECISIONS).partition(begin)
    written, _, tail = rest.partition(end)
    if request.config.getoption("--update-golden"):
        page = head + begin + differences() + "\n" + end + tail
        (ROOT / DECISIONS).write_text(page, "utf-8")
    else:
        assert written.strip() == differences().strip()
