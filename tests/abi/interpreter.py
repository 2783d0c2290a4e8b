"""A slow interpreter of raw modules, the oracle for fuel: it adds a price for every instruction.

It knows nothing of blocks, counters or rewriting. Floats are bit patterns; arithmetic gives the
canonical NaN, as the profile promises.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from pico_abi import prices
from pico_abi.contract import HOST_FUNCTIONS_BY_NAME
from pico_abi.wasm import Instruction, Module, decode_module, instructions, read_sleb
from pico_abi.wasm import opcodes as op

PAGE = 65_536


class Trapped(Exception):
    pass


class OutOfFuel(Exception):
    pass


class OutOfStack(Exception):
    pass


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _to_float(bits: int, size: int) -> float:
    raw = bits.to_bytes(size // 8, "little")
    value: float = struct.unpack("<f" if size == 32 else "<d", raw)[0]
    return value


def _to_bits(value: float, size: int) -> int:
    if math.isnan(value):
        return 0x7FC0_0000 if size == 32 else 0x7FF8 << 48
    try:
        raw = struct.pack("<f" if size == 32 else "<d", value)
    except OverflowError:
        raw = struct.pack("<f", math.copysign(math.inf, value))
    return int.from_bytes(raw, "little")


def _divide(a: int, b: int, bits: int, signed: bool, remainder: bool) -> int:
    if b == 0:
        raise Trapped("division by zero")
    if not signed:
        return a % b if remainder else a // b
    x, y = _signed(a, bits), _signed(b, bits)
    quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
    if remainder:
        return (x - quotient * y) % (1 << bits)
    if quotient >= 1 << (bits - 1):
        raise Trapped("overflow")
    return quotient % (1 << bits)


def _integer(name: str, bits: int, a: int, b: int) -> int:
    mask = (1 << bits) - 1
    shift = b % bits
    x, y = _signed(a, bits), _signed(b, bits)
    match name:
        case "add":
            return a + b & mask
        case "sub":
            return a - b & mask
        case "mul":
            return a * b & mask
        case "and":
            return a & b
        case "or":
            return a | b
        case "xor":
            return a ^ b
        case "shl":
            return a << shift & mask
        case "shr_s":
            return x >> shift & mask
        case "shr_u":
            return a >> shift
        case "rotl":
            return (a << shift | a >> (bits - shift)) & mask
        case "rotr":
            return (a >> shift | a << (bits - shift)) & mask
        case "eq":
            return int(a == b)
        case "ne":
            return int(a != b)
    left, right = (a, b) if name.endswith("_u") else (x, y)
    comparisons = {"lt": left < right, "gt": left > right, "le": left <= right, "ge": left >= right}
    if name[:2] in comparisons:
        return int(comparisons[name[:2]])
    return _divide(a, b, bits, name.endswith("_s"), name.startswith("rem"))


def _extreme(name: str, a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return math.nan
    if a == b == 0:
        negative = [math.copysign(1, item) < 0 for item in (a, b)]
        return -0.0 if (any(negative) if name == "min" else all(negative)) else 0.0
    return min(a, b) if name == "min" else max(a, b)


def _quotient(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1, b)


def _float(name: str, size: int, a: int, b: int) -> int:
    if name == "copysign":
        top = 1 << (size - 1)
        return a & ~top | b & top
    x, y = _to_float(a, size), _to_float(b, size)
    comparisons = {"eq": x == y, "ne": x != y, "lt": x < y, "gt": x > y, "le": x <= y, "ge": x >= y}
    if name in comparisons:
        return int(comparisons[name])
    with_result: dict[str, Callable[[], float]] = {
        "add": lambda: x + y,
        "sub": lambda: x - y,
        "mul": lambda: x * y,
        "div": lambda: _quotient(x, y),
        "min": lambda: _extreme(name, x, y),
        "max": lambda: _extreme(name, x, y),
    }
    return _to_bits(with_result[name](), size)


def _round(name: str, x: float) -> float:
    if math.isinf(x) or math.isnan(x) or x == 0:
        return x
    rounded: dict[str, Callable[[float], int]] = {
        "ceil": math.ceil,
        "floor": math.floor,
        "trunc": math.trunc,
        "nearest": round,
    }
    return math.copysign(float(rounded[name](x)), x)


def _float_unary(name: str, size: int, a: int) -> int:
    top = 1 << (size - 1)
    if name == "neg":
        return a ^ top
    if name == "abs":
        return a & ~top
    x = _to_float(a, size)
    if name == "sqrt":
        return _to_bits(math.nan if x < 0 else math.sqrt(x) if x == x and x else x, size)
    return _to_bits(_round(name, x), size)


def _truncate(x: float, bits: int, signed: bool, saturate: bool) -> int:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if math.isnan(x):
        if saturate:
            return 0
        raise Trapped("NaN")
    value = math.trunc(x) if math.isfinite(x) else (high + 1 if x > 0 else low - 1)
    if not low <= value <= high:
        if not saturate:
            raise Trapped("integer overflow")
        value = min(max(value, low), high)
    return value % (1 << bits)


def _unary(name: str, a: int) -> int:
    """An operator of one operand, by its text name."""
    kind, _, rest = name.partition(".")
    bits = int(kind[1:])
    match rest.split("_"):
        case ["eqz"]:
            return int(a == 0)
        case ["clz"]:
            return bits - a.bit_length()
        case ["ctz"]:
            return (a & -a).bit_length() - 1 if a else bits
        case ["popcnt"]:
            return a.bit_count()
        case ["wrap", _]:
            return a & 0xFFFF_FFFF
        case ["reinterpret", _]:
            return a
        case [("extend8" | "extend16" | "extend32") as width, _]:
            small = int(width[6:])
            return _signed(a & (1 << small) - 1, small) % (1 << bits)
        case ["extend", _, sign]:
            return (_signed(a, 32) if sign == "s" else a) % (1 << bits)
        case ["convert", source, sign]:
            value = _signed(a, int(source[1:])) if sign == "s" else a
            return _convert(value, bits)
        case ["promote" | "demote", source]:
            return _to_bits(_to_float(a, int(source[1:])), bits)
        case ["trunc", "sat", source, sign]:
            return _truncate(_to_float(a, int(source[1:])), bits, sign == "s", True)
        case ["trunc", source, sign]:
            return _truncate(_to_float(a, int(source[1:])), bits, sign == "s", False)
    return _float_unary(rest, bits, a)


def _convert(value: int, bits: int) -> int:
    if bits == 64:
        return _to_bits(float(value), 64)
    # Round once, to 24 bits: through a double it would be twice.
    extra = max(abs(value).bit_length() - 25, 0)
    sticky = abs(value) >> extra | (1 if abs(value) & (1 << extra) - 1 else 0)
    return _to_bits(math.copysign(math.ldexp(float(sticky), extra), value), 32)


class Interpreter:
    """One instance of a raw module; `fuel` counts up, `words` is the stack of each function, None
    for one that is not counted."""

    def __init__(self, raw: bytes, words: list[int | None], stack: int, fuel_max: int) -> None:
        self.module: Module = decode_module(raw)
        self.words = words
        self.stack = stack
        self.fuel = 0
        self.fuel_max = fuel_max
        self.memory = bytearray(self.module.memories[0].minimum * PAGE)
        self.globals = [_constant(item.init) for item in self.module.globals]
        self.code = [list(instructions(item.body)) for item in self.module.functions]
        self.jumps = [_match_blocks(items) for items in self.code]
        self.table: list[int | None] = [None] * (
            self.module.tables[0].minimum if self.module.tables else 0
        )
        for segment in self.module.elements:
            start = _constant(segment.start)
            self.table[start : start + len(segment.function_indices)] = segment.function_indices
        for data in self.module.data:
            start = _constant(data.start)
            self.memory[start : start + len(data.payload)] = data.payload

    def pay(self, amount: int) -> None:
        self.fuel += amount
        if self.fuel > self.fuel_max:
            raise OutOfFuel

    def call(self, index: int, arguments: list[int]) -> list[int]:
        imports = self.module.imports
        if index < len(imports):
            return self.call_host(index, arguments)
        own = index - len(imports)
        function = self.module.functions[own]
        calls = any(item.opcode in (op.CALL, op.CALL_INDIRECT) for item in self.code[own])
        words = self.words[own] or 0
        if self.stack < words:
            raise OutOfStack
        if calls:
            self.stack -= words
        count = sum(count for count, _ in function.locals)
        self.pay(-(-(len(arguments) + count) // prices.LOCALS_PER_FUEL))
        results = len(self.module.types[function.type_index].results)
        stack = _Frame(self, own, arguments + [0] * count).run()
        if calls:
            self.stack += words
        return stack[len(stack) - results :]

    def call_host(self, index: int, arguments: list[int]) -> list[int]:
        item = self.module.imports[index]
        host = HOST_FUNCTIONS_BY_NAME[(item.module, item.name)]
        if self.stack < 1024:
            raise OutOfStack
        lengths = sum(arguments[at] for at in host.lengths)
        self.pay(host.price + lengths * host.argument_byte_price)
        return []


def _constant(expression: bytes) -> int:
    if expression[0] in (op.F32_CONST, op.F64_CONST):
        return int.from_bytes(expression[1:-1], "little")
    bits = 32 if expression[0] == op.I32_CONST else 64
    return read_sleb(expression, 1, bits)[0] % (1 << bits)


def _match_blocks(items: list[Instruction]) -> dict[int, tuple[int, int]]:
    """For each block, loop and if: where its else is (or its end), and where its end is."""
    found: dict[int, tuple[int, int]] = {}
    opened: list[int] = []
    elses: dict[int, int] = {}
    for at, item in enumerate(items):
        if item.opcode in (op.BLOCK, op.LOOP, op.IF):
            opened.append(at)
        elif item.opcode == op.ELSE:
            elses[opened[-1]] = at
        elif item.opcode == op.END and opened:
            start = opened.pop()
            found[start] = (elses.get(start, at), at)
    return found


class _Frame:
    """The activation of one function."""

    def __init__(self, owner: Interpreter, own: int, variables: list[int]) -> None:
        self.owner = owner
        self.items = owner.code[own]
        self.jumps = owner.jumps[own]
        self.variables = variables
        self.stack: list[int] = []
        # (operands a branch carries, height, where it goes on, is it a loop)
        results = owner.module.types[owner.module.functions[own].type_index].results
        self.labels: list[tuple[int, int, int, bool]] = [(len(results), 0, len(self.items), False)]
        self.at = 0

    def run(self) -> list[int]:
        while self.at < len(self.items):
            item = self.items[self.at]
            self.at += 1
            self.owner.pay(prices.PRICES[item.opcode])
            self.step(item)
        return self.stack

    def pop(self) -> int:
        return self.stack.pop()

    def branch(self, depth: int) -> None:
        count, height, target, loop = self.labels[-1 - depth]
        kept = self.stack[len(self.stack) - count :]
        del self.stack[height:]
        self.stack += kept
        del self.labels[len(self.labels) - depth - (0 if loop else 1) :]
        self.at = target

    def open(self, item: Instruction) -> None:
        at = self.at - 1
        (block_type,) = item.immediates
        types = self.owner.module.types
        params = len(types[block_type].params) if block_type >= 0 else 0
        results = len(types[block_type].results) if block_type >= 0 else int(block_type != -64)
        otherwise, end = self.jumps[at]
        if item.opcode == op.IF and not self.pop():
            self.at = otherwise + 1 if otherwise != end else end
        height = len(self.stack) - params
        if item.opcode == op.LOOP:
            self.labels.append((params, height, at + 1, True))
        else:
            self.labels.append((results, height, end + 1, False))

    def step(self, item: Instruction) -> None:
        stack, variables, numbers = self.stack, self.variables, item.immediates
        match item.opcode:
            case op.UNREACHABLE:
                raise Trapped("unreachable")
            case op.NOP:
                pass
            case op.BLOCK | op.LOOP | op.IF:
                self.open(item)
            case op.ELSE:
                self.at = self.labels.pop()[2]
            case op.END:
                self.labels.pop()
            case op.BR:
                self.branch(numbers[0])
            case op.BR_IF:
                if self.pop():
                    self.branch(numbers[0])
            case op.BR_TABLE:
                self.branch(numbers[min(self.pop(), len(numbers) - 1)])
            case op.RETURN:
                self.branch(len(self.labels) - 1)
            case op.DROP:
                self.pop()
            case op.SELECT:
                condition, second, first = self.pop(), self.pop(), self.pop()
                stack.append(first if condition else second)
            case op.LOCAL_GET:
                stack.append(variables[numbers[0]])
            case op.LOCAL_SET:
                variables[numbers[0]] = self.pop()
            case op.LOCAL_TEE:
                variables[numbers[0]] = stack[-1]
            case op.GLOBAL_GET:
                stack.append(self.owner.globals[numbers[0]])
            case op.GLOBAL_SET:
                self.owner.globals[numbers[0]] = self.pop()
            case op.CALL | op.CALL_INDIRECT:
                self.call(item)
            case op.I32_CONST:
                stack.append(numbers[0] % (1 << 32))
            case op.I64_CONST:
                stack.append(numbers[0] % (1 << 64))
            case op.F32_CONST | op.F64_CONST:
                stack.append(numbers[0])
            case _:
                self.operate(item)

    def call(self, item: Instruction) -> None:
        module = self.owner.module
        index: int | None = item.immediates[0]
        if item.opcode == op.CALL_INDIRECT:
            slot = self.pop()
            index = self.owner.table[slot] if slot < len(self.owner.table) else None
        if index is None:
            raise Trapped("no function")
        imports = len(module.imports)
        type_index = (
            module.imports[index].description
            if index < imports
            else module.functions[index - imports].type_index
        )
        assert isinstance(type_index, int)
        signature = module.types[type_index]
        if item.opcode == op.CALL_INDIRECT and signature != module.types[item.immediates[0]]:
            raise Trapped("another type")
        count = len(signature.params)
        arguments = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        self.stack += self.owner.call(index, arguments)

    def operate(self, item: Instruction) -> None:
        name = op.text_name(item.opcode)
        kind, _, rest = name.partition(".")
        if kind == "memory":
            self.bulk(item)
        elif "load" in rest or "store" in rest:
            self.access(item, name)
        elif rest.split("_")[0] in _UNARY or rest.startswith("trunc"):
            self.stack.append(_unary(name, self.pop()))
        else:
            b, a = self.pop(), self.pop()
            operator = _integer if kind[0] == "i" else _float
            self.stack.append(operator(rest, int(kind[1:]), a, b))

    def access(self, item: Instruction, name: str) -> None:
        kind, _, rest = name.partition(".")
        bits = int(kind[1:])
        width = int("".join(filter(str.isdigit, rest)) or bits)
        value = self.pop() if "store" in rest else 0
        address = self.pop() + item.immediates[1]
        memory = self.owner.memory
        if address + width // 8 > len(memory):
            raise Trapped("out of bounds")
        if "store" in rest:
            cut = value % (1 << width)
            memory[address : address + width // 8] = cut.to_bytes(width // 8, "little")
        else:
            loaded = int.from_bytes(memory[address : address + width // 8], "little")
            if rest.endswith("_s"):
                loaded = _signed(loaded, width) % (1 << bits)
            self.stack.append(loaded)

    def bulk(self, item: Instruction) -> None:
        memory = self.owner.memory
        match item.opcode:
            case op.MEMORY_SIZE:
                self.stack.append(len(memory) // PAGE)
            case op.MEMORY_GROW:
                pages = self.pop()
                self.owner.pay(pages * prices.GROW_PAGE_PRICE)
                before = len(memory) // PAGE
                maximum = self.owner.module.memories[0].maximum or 0
                if before + pages > maximum:
                    self.stack.append(0xFFFF_FFFF)
                else:
                    memory += bytes(pages * PAGE)
                    self.stack.append(before)
            case _:
                count, source, target = self.pop(), self.pop(), self.pop()
                self.owner.pay(count >> prices.BULK_BYTES_PER_FUEL_LOG2)
                copy = item.opcode == op.MEMORY_COPY
                ends = [target + count, *([source + count] if copy else [])]
                if max(ends) > len(memory):
                    raise Trapped("out of bounds")
                filling = memory[source : source + count] if copy else bytes([source & 255]) * count
                memory[target : target + count] = filling


_UNARY = {"eqz", "clz", "ctz", "popcnt", "wrap", "reinterpret", "extend8", "extend16", "extend32"}
_UNARY |= {"extend", "convert", "promote", "demote", "neg", "abs", "sqrt", "ceil", "floor"}
_UNARY |= {"nearest"}
