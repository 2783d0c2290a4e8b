"""A pattern as a function of its own: what it begins with decides, and going back is a loop.

The function takes (base, from, end, wide, marks): the addresses of a text's first unit, of where to
begin and of its end, and whether units have two bytes. It looks for the first match and writes to
`marks`, for each group, the addresses where it begins and ends, 0 if it took no part.

What has one way to go on is written down one after the other, with a jump to `failed`. A
repetition of single units that leaves a choice is a loop around all that is behind it, which goes
back one unit in a round, or forward if it is lazy. A choice between alternatives is a loop around
all that is behind it as well. Whatever is neither, `Unsupported`, the library's matcher runs.
"""

from __future__ import annotations

from collections.abc import Callable

from krl.emit.code import FLAG, Code
from krl.emit.guest import Guest
from krl.emit.pattern_units import (
    AT,
    BASE,
    END_OF_TEXT,
    MARKS,
    SEARCH_TYPE,
    WIDE,
    UnitCode,
)
from krl.patterns import ranges
from krl.patterns.first import (
    ACCEPT,
    END,
    Follow,
    Item,
    Mark,
    behind,
    first_of,
    flat,
    groups_in,
    is_empty,
    overlap,
    unit_set,
)
from krl.patterns.ranges import Ranges
from krl.patterns.syntax import (
    UNLIMITED,
    Choice,
    LookAhead,
    Pattern,
    Repeat,
    Simple,
    Unsupported,
    parse,
)
from pico_abi.wasm import opcodes

# Longer patterns are shorter as the matcher's code.
_CODE_BYTES_MAX = 1_500
_END_ONLY = ranges.between(END, END)
_GROUPS_MAX = 20


def compile_search(
    source: str, flags: str, guest: Guest, text_address: Callable[[str], int]
) -> tuple[Code, int] | None:
    """The code of a literal and its number of groups, the whole match included; None if the
    matcher has to run it."""
    try:
        pattern = parse(source, ignore_case="i" in flags)
        code = _Search(pattern, "i" in flags, guest, text_address).code
    except Unsupported:
        return None
    return (code, pattern.group_count + 1) if len(code.bytes) <= _CODE_BYTES_MAX else None


class _Search(UnitCode):
    def __init__(
        self,
        pattern: Pattern,
        ignore_case: bool,
        guest: Guest,
        text_address: Callable[[str], int],
    ) -> None:
        if pattern.group_count > _GROUPS_MAX:
            raise Unsupported
        super().__init__(ignore_case, guest, text_address)
        self.matched: int | None = None  # where to jump behind a lookahead; None: it is all
        self.start = self.code.new_local(FLAG)
        self.begins = [self.code.new_local(FLAG) for _ in range(pattern.group_count)]
        self.ends = [self.code.new_local(FLAG) for _ in range(pattern.group_count)]
        self._positions(flat(pattern.body))
        self.code.i32(0)
        self.code.op(opcodes.END)

    # ---- the search --------------------------------------------------------------------------

    def _positions(self, items: tuple[Item, ...]) -> None:
        """Tries one place after the other, from `from` on."""
        code = self.code
        anchored = Simple("line_start") in items[: _marks_in_front(items) + 1]
        first = first_of(items, ACCEPT)
        with code.block() as nowhere, code.block(opcodes.LOOP) as again:
            if not anchored and not overlap(first, _END_ONLY) and len(first) <= 2:
                self._skip(first, nowhere)
            code.get(AT)
            code.set(self.start)
            with code.block() as failed:
                self._items(items, failed)
            if not anchored:
                code.get(self.start)
                code.get(self.step)
                code.op(opcodes.I32_ADD)
                code.tee(AT)
                code.get(END_OF_TEXT)
                code.op(opcodes.I32_LE_U)
                code.branch_if(again)

    def _skip(self, first: Ranges, nowhere: int) -> None:
        """To where a match can begin."""
        code = self.code
        with code.block() as found, code.block(opcodes.LOOP) as again:
            self.read()
            self.is_in(first)
            code.branch_if(found)
            self.advance()
            code.get(AT)
            code.get(END_OF_TEXT)
            code.op(opcodes.I32_LT_U)
            code.branch_if(again)
            code.branch(nowhere)

    def _succeed(self) -> None:
        """The last store first: it reaches farthest, so none after it can trap."""
        code = self.code
        if self.matched is not None:
            code.branch(self.matched)
            return
        starts, ends = [self.start, *self.begins], [AT, *self.ends]
        places = [local for pair in zip(starts, ends, strict=True) for local in pair]
        for index, local in reversed(list(enumerate(places))):
            code.get(MARKS)
            code.get(local)
            code.store(opcodes.I32_STORE, 4 * index)
        code.i32(1)
        code.op(opcodes.RETURN)

    # ---- all that is left of the pattern -----------------------------------------------------

    def _items(self, items: tuple[Item, ...], failed: int) -> None:
        """These up to the end of the pattern: returns from the function, or jumps to `failed`."""
        skipped = 0
        for index, item in enumerate(items):
            rest = items[index + 1 :]
            if index < skipped:
                continue
            text = self.text_of(items[index:])
            if text:
                self.take_text(text, failed)
                skipped = index + len(text)
                continue
            match item:
                case Repeat() if not _is_plain(item, behind(rest, ACCEPT)):
                    self._search_repeat(item, rest, failed)
                    return
                case Choice() if not _is_decided(item, behind(rest, ACCEPT)):
                    self._search_choice(item, rest, failed)
                    return
            self._item(item, behind(rest, ACCEPT), failed)
        self._succeed()

    def _search_repeat(self, item: Repeat, rest: tuple[Item, ...], failed: int) -> None:
        """Single units, as many as there are or as few; then what is behind them, or another
        number of them."""
        units = unit_set(item.atom)
        if units is None:
            raise Unsupported
        code = self.code
        low = code.new_local(FLAG)
        code.get(AT)
        code.set(low)
        units_behind = _units_to_the_end(rest)
        if units_behind is not None:
            self._end_run(item, units, low, units_behind, failed)
            self._items(rest, failed)
            return
        saved = code.new_local(FLAG)
        self.run(units, item.maximum if item.greedy else item.minimum, low)
        self.check_run(item.minimum, low, failed)
        if item.greedy:
            self.shift(low, item.minimum)
        with code.block(opcodes.LOOP) as again:
            code.get(AT)
            code.set(saved)
            with code.block() as behind_failed:
                self._items(rest, behind_failed)
            code.get(saved)
            if item.greedy:
                code.get(self.step)
                code.op(opcodes.I32_SUB)
                code.tee(AT)
                code.get(low)
                code.op(opcodes.I32_GE_U)
                code.branch_if(again)
            else:
                code.set(AT)
                self._one_more(units, item, low, failed)
                code.branch(again)
        if item.greedy:
            code.branch(failed)

    def _end_run(
        self, item: Repeat, units: Ranges, low: int, units_behind: int, failed: int
    ) -> None:
        """Where a run has to end if so many units are between it and the end of the text."""
        code, place = self.code, self.code.new_local(FLAG)
        self.run(units, item.maximum, low)
        code.get(END_OF_TEXT)
        self.scaled(units_behind)
        code.op(opcodes.I32_SUB)
        code.tee(place)
        code.get(AT)
        code.op(opcodes.I32_GT_U)
        code.branch_if(failed)
        code.get(place)
        code.get(low)
        self.scaled(item.minimum)
        code.op(opcodes.I32_ADD, opcodes.I32_LT_U)
        code.branch_if(failed)
        code.get(place)
        code.set(AT)

    def _one_more(self, units: Ranges, item: Repeat, low: int, failed: int) -> None:
        """What a lazy repetition does when what is behind it failed."""
        if item.maximum != UNLIMITED:
            self.taken(low)
            self.scaled(item.maximum)
            self.code.op(opcodes.I32_GE_U)
            self.code.branch_if(failed)
        self.take(units, failed)

    def _search_choice(self, item: Choice, rest: tuple[Item, ...], failed: int) -> None:
        code = self.code
        follow = behind(rest, ACCEPT)
        turn, saved = code.new_local(FLAG), code.new_local(FLAG)
        code.i32(0)
        code.set(turn)
        code.get(AT)
        code.set(saved)
        with code.block(opcodes.LOOP) as again:
            self._forget((item,))
            with code.block() as this_failed:
                with code.block() as matched:
                    for index, alternative in enumerate(item.alternatives):
                        with code.block() as other:
                            code.get(turn)
                            code.i32(index)
                            code.op(opcodes.I32_NE)
                            code.branch_if(other)
                            self._plain_items(flat(alternative), follow, this_failed)
                            code.branch(matched)
                self._items(rest, this_failed)
            code.get(saved)
            code.set(AT)
            code.get(turn)
            code.i32(1)
            code.op(opcodes.I32_ADD)
            code.tee(turn)
            code.i32(len(item.alternatives))
            code.op(opcodes.I32_LT_U)
            code.branch_if(again)
        code.branch(failed)

    # ---- what has one way to go on -----------------------------------------------------------

    def _plain_items(self, items: tuple[Item, ...], follow: Follow, failed: int) -> None:
        skipped = 0
        for index, item in enumerate(items):
            text = self.text_of(items[index:])
            if index < skipped:
                continue
            if text:
                self.take_text(text, failed)
                skipped = index + len(text)
            else:
                self._item(item, behind(items[index + 1 :], follow), failed)

    def _item(self, item: Item, follow: Follow, failed: int) -> None:
        """One item: goes on behind it, or to `failed`."""
        code = self.code
        units = unit_set(item)
        if units is not None:
            self.take(units, failed)
            return
        match item:
            case Mark(group, is_end):
                code.get(AT)
                code.set((self.ends if is_end else self.begins)[group - 1])
            case Simple("line_start" | "line_end" as name):
                code.get(AT)
                code.get(BASE if name == "line_start" else END_OF_TEXT)
                code.op(opcodes.I32_NE)
                code.branch_if(failed)
            case Simple("word_boundary" | "not_word_boundary" as name):
                for local in (BASE, AT, END_OF_TEXT, WIDE):
                    code.get(local)
                code.call(self.guest.function("rt_pattern_boundary"))
                if name == "word_boundary":
                    code.op(opcodes.I32_EQZ)
                code.branch_if(failed)
            case LookAhead():
                self._look_ahead(item, failed)
            case Repeat() if _is_plain(item, follow):
                self._repeat(item, follow, failed)
            case Choice() if _is_decided(item, follow):
                self._choice(item, follow, failed)
            case _:
                raise Unsupported

    def _look_ahead(self, item: LookAhead, failed: int) -> None:
        """What matched ahead is not tried in another way; a group of it keeps what it has."""
        code, items, outer = self.code, flat(item.body), self.matched
        saved = code.new_local(FLAG)
        code.get(AT)
        code.set(saved)
        self._forget(items)
        with code.block() as matched:
            with code.block() as not_matched:
                self.matched = failed if item.negative else matched
                self._items(items, not_matched)
                self.matched = outer
            if item.negative:
                self._forget(items)
                code.branch(matched)
            else:
                code.branch(failed)
        code.get(saved)
        code.set(AT)

    def _repeat(self, item: Repeat, follow: Follow, failed: int) -> None:
        code, units = self.code, unit_set(item.atom)
        if units is not None:
            low = -1
            if item.minimum > 0 or item.maximum != UNLIMITED:
                low = code.new_local(FLAG)
                code.get(AT)
                code.set(low)
            self.run(units, item.maximum, low)
            self.check_run(item.minimum, low, failed)
            return
        items, rounds = flat(item.atom), code.new_local(FLAG)
        self._forget((item,))
        code.i32(0)
        code.set(rounds)
        first = first_of(items, Follow(ranges.NONE))
        with code.block() as done, code.block(opcodes.LOOP) as again:
            if item.maximum != UNLIMITED:
                code.get(rounds)
                code.i32(item.maximum)
                code.op(opcodes.I32_EQ)
                code.branch_if(done)
            self.read()
            self.is_in(first)
            code.op(opcodes.I32_EQZ)
            code.branch_if(done)
            self._forget(items)
            again_first = ranges.NONE if item.maximum == 1 else first
            self._plain_items(items, Follow(ranges.union(again_first, follow.first)), failed)
            code.get(rounds)
            code.i32(1)
            code.op(opcodes.I32_ADD)
            code.set(rounds)
            code.branch(again)
        if item.minimum > 0:
            code.get(rounds)
            code.i32(item.minimum)
            code.op(opcodes.I32_LT_U)
            code.branch_if(failed)

    def _choice(self, item: Choice, follow: Follow, failed: int) -> None:
        """What comes tells which alternative it is."""
        code = self.code
        self._forget((item,))
        with code.block() as matched:
            for alternative in item.alternatives:
                items = flat(alternative)
                with code.block() as other:
                    self.read()
                    self.is_in(first_of(items, Follow(ranges.NONE)))
                    code.op(opcodes.I32_EQZ)
                    code.branch_if(other)
                    self._plain_items(items, follow, failed)
                    code.branch(matched)
            code.branch(failed)

    def _forget(self, items: tuple[Item, ...]) -> None:
        """Groups that may not take part."""
        for group in groups_in(items):
            for local in (self.begins[group - 1], self.ends[group - 1]):
                self.code.i32(0)
                self.code.set(local)


def _units_to_the_end(items: tuple[Item, ...]) -> int | None:
    """How many units there are in front of the end of the text, if that is all there is behind."""
    inside = [item for item in items if not isinstance(item, Mark)]
    if not inside or inside[-1] != Simple("line_end"):
        return None
    return len(inside) - 1 if all(unit_set(item) is not None for item in inside[:-1]) else None


def _marks_in_front(items: tuple[Item, ...]) -> int:
    return next((at for at, item in enumerate(items) if not isinstance(item, Mark)), len(items))


def _is_plain(item: Repeat, follow: Follow) -> bool:
    """Whether a repetition has one way to go on at each place."""
    items, units = flat(item.atom), unit_set(item.atom)
    if item.maximum == 0:
        return False
    if units is not None:
        if item.minimum == item.maximum or not overlap(units, follow.first):
            return True
        return item.greedy and follow.accepts
    return not is_empty(items) and not overlap(first_of(items, Follow(())), follow.first)


def _is_decided(item: Choice, follow: Follow) -> bool:
    """Whether the next unit tells which alternative it can be."""
    if unit_set(item) is not None:
        return True
    parts = [flat(alternative) for alternative in item.alternatives]
    if any(map(is_empty, parts)):
        return False
    firsts = [first_of(part, follow) for part in parts]
    return not any(
        overlap(first, other) for index, first in enumerate(firsts) for other in firsts[:index]
    )


__all__ = ["SEARCH_TYPE", "compile_search"]
