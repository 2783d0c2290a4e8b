// Numbers of profile pico-1 that a host needs (docs/formats/pico-1.md §4 and §5, receipt.md §4).

const KIB = 1024;
const MIB = 1024 * KIB;

export const EVENT_BYTES_MAX = MIB;
export const REQUEST_BYTES_MAX = MIB;
export const ANSWER_BYTES_MAX = MIB;
export const PATH_BYTES_MAX = 1024;
export const VALUE_BYTES_MAX = MIB;
export const SCAN_ENTRIES_MAX = 1000;
export const SCAN_BYTES_MAX = 2 * MIB;
export const EFFECT_BYTES_MAX = MIB;
export const EFFECTS_MAX = 10_000;
export const CALL_DEPTH_MAX = 16;
export const FUEL_LIMIT_MAX = 10_000_000_000;
export const STACK_WORDS_MAX = 49_152;
export const QUESTIONS_MAX = 100;

export const DISPATCH_FUEL = 1_000; // for each event that is offered to a ruleset
export const START_FUEL = 10_000; // for each instance
export const MESSAGE_BYTE_FUEL = 1; // for each byte of a message that is copied
export const RESULT_BYTE_FUEL = 1; // for each byte of what a host function answers
export const SCAN_ENTRY_FUEL = 500; // for each entry of a scan
export const ACT_SCAN_FUEL = 200; // for each record that an act looks through
