//! BLAKE3 as all names here are made with it: the plain hash, 32 bytes of it.
//!
//! Nearly everything that is hashed fits into one chunk, which is its own root: no tree, no state
//! to keep. That is done here, a row of four words at a time; what is longer is the library's.
//! Sections are those of the BLAKE3 paper.

const std = @import("std");

const Row = @Vector(4, u32);

pub const chunk_bytes_max = 1024;
const block_bytes = 64;
const start: Row = .{ 0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A }; // table 1: IV
const more: Row = .{ 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19 };
const chunk_start = 1; // table 3: flags
const chunk_end = 2;
const root = 8;

/// Section 2.2: which word of the message comes where, in each of seven rounds.
const schedule = schedule: {
    const permutation = [16]u8{ 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8 };
    var rounds: [7][16]u8 = undefined;
    for (&rounds[0], 0..) |*word, at| word.* = at;
    for (1..7) |round| {
        for (&rounds[round], permutation) |*word, from| word.* = rounds[round - 1][from];
    }
    break :schedule rounds;
};

pub fn digest(data: []const u8, out: *[32]u8) void {
    if (data.len > chunk_bytes_max) return std.crypto.hash.Blake3.hash(data, out, .{});
    var rows: [2]Row = .{ start, more };
    var at: usize = 0;
    var flags: u32 = chunk_start;
    while (data.len - at > block_bytes) : (at += block_bytes) {
        compress(&rows, data[at..][0..block_bytes], block_bytes, flags);
        flags = 0;
    }
    const rest = data[at..];
    flags |= chunk_end | root;
    if (rest.len == block_bytes) {
        compress(&rows, rest[0..block_bytes], block_bytes, flags);
    } else {
        var last: [block_bytes]u8 = @splat(0);
        @memcpy(last[0..rest.len], rest);
        compress(&rows, &last, @intCast(rest.len), flags);
    }
    inline for (0..8) |word| {
        std.mem.writeInt(u32, out[4 * word ..][0..4], rows[word / 4][word % 4], .little);
    }
}

/// Section 2.2 for the first chunk, which has number 0: `rows` is the value before and behind it.
fn compress(rows: *[2]Row, block: *const [block_bytes]u8, count: u32, flags: u32) void {
    @setRuntimeSafety(false); // words that wrap round, and no length but those of the types
    var words: [16]u32 = undefined;
    @memcpy(std.mem.asBytes(&words), block);
    var a = rows[0];
    var b = rows[1];
    var c = start;
    var d: Row = .{ 0, 0, count, flags };
    inline for (schedule) |order| {
        mix(&a, &b, &c, &d, row(&words, order[0..8], 0), row(&words, order[0..8], 1));
        // Columns to diagonals, and back: all but `b`, which is what the next step waits for.
        a = @shuffle(u32, a, undefined, [4]i32{ 3, 0, 1, 2 });
        c = @shuffle(u32, c, undefined, [4]i32{ 1, 2, 3, 0 });
        d = @shuffle(u32, d, undefined, [4]i32{ 2, 3, 0, 1 });
        mix(&a, &b, &c, &d, row(&words, order[8..16], 6), row(&words, order[8..16], 7));
        a = @shuffle(u32, a, undefined, [4]i32{ 1, 2, 3, 0 });
        c = @shuffle(u32, c, undefined, [4]i32{ 3, 0, 1, 2 });
        d = @shuffle(u32, d, undefined, [4]i32{ 2, 3, 0, 1 });
    }
    rows[0] = a ^ c;
    rows[1] = b ^ d;
}

/// Every other word of half a round.
inline fn row(words: *const [16]u32, comptime order: *const [8]u8, comptime first: usize) Row {
    return .{
        words[order[first]],           words[order[(first + 2) % 8]],
        words[order[(first + 4) % 8]], words[order[(first + 6) % 8]],
    };
}

/// Section 2.2: the quarter round, on four columns at once.
inline fn mix(a: *Row, b: *Row, c: *Row, d: *Row, first: Row, second: Row) void {
    a.* = a.* +% first +% b.*;
    d.* = turned(d.* ^ a.*, 16);
    c.* +%= d.*;
    b.* = turned(b.* ^ c.*, 12);
    a.* = a.* +% second +% b.*;
    d.* = turned(d.* ^ a.*, 8);
    c.* +%= d.*;
    b.* = turned(b.* ^ c.*, 7);
}

inline fn turned(value: Row, comptime right: u5) Row {
    return (value >> @splat(right)) | (value << @splat(@intCast(32 - @as(u6, right))));
}
