"""Every limit of profile pico-1, as a named constant with its unit: docs/formats/pico-1.md §5.

A limit is here because something hostile would otherwise grow without end: the compiler's time,
the stack, a proof's size, a disk. Each is tested at the limit and one past it. Changing a number
changes what engines agree on, so it needs a new profile.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# --- The module as a file. The guest library is about 100 KB, a large ruleset a few hundred. ---
MODULE_BYTES_MAX = 4 * MIB
TYPES_MAX = 1_000
TYPE_PARAMS_MAX = 100
TYPE_RESULTS_MAX = 16
FUNCTIONS_MAX = 20_000  # imports included
GLOBALS_MAX = 1_000
EXPORTS_MAX = 1_000
NAME_BYTES_MAX = 1_000  # of an export or a custom section
ELEMENT_SEGMENTS_MAX = 1_000
DATA_SEGMENTS_MAX = 1_000
CUSTOM_SECTIONS_MAX = 100
TABLE_SLOTS_MAX = 20_000  # every function once
MEMORY_PAGES_MAX = 256  # 16 MiB: an instance lives for one transition

# --- One function. Compilers are superlinear in some of these, so they bound compile time. ---
FUNCTION_BYTES_MAX = 128 * KIB
FUNCTION_BLOCKS_MAX = 8_192  # basic blocks; register allocation is quadratic in them
FUNCTION_LOCALS_MAX = 1_000  # parameters included
BLOCK_DEPTH_MAX = 1_000  # C compilers nest one block per case of a switch
BRANCH_LABELS_MAX = 4_096  # of one br_table, the default included
OPERANDS_MAX = 1_000  # operand stack height of one function

# --- What crosses the boundary. ---
EVENT_BYTES_MAX = 1 * MIB  # the argument of handle
REQUEST_BYTES_MAX = 1 * MIB  # the argument of query, of pico.ask and of rulesets.call
ANSWER_BYTES_MAX = 1 * MIB  # what describe, handle, query, pico.ask and rulesets.call return
PATH_BYTES_MAX = 1_024
VALUE_BYTES_MAX = 1 * MIB
SCAN_ENTRIES_MAX = 1_000  # of one scan; a larger `limit` is cut to this
SCAN_BYTES_MAX = 2 * MIB  # paths and values of one scan together; the scan stops before it
EFFECT_BYTES_MAX = 1 * MIB
EFFECTS_MAX = 10_000  # of one transition, log lines included
CALL_DEPTH_MAX = 16  # rulesets.call inside rulesets.call

# --- Running. ---
FUEL_LIMIT_DEFAULT = 1_000_000_000
FUEL_LIMIT_MAX = 10_000_000_000
