//! Opens packs for whoever reads a history: what `store/opening.py` does, and a first look at what
//! it finds.
//!
//! A pack comes from a file, so nothing in it is believed: every head is read with the bytes that
//! are left in mind, and what is not as it has to be makes the whole pack Python's, which says what
//! is wrong with it. Of each receipt its envelope is followed to the root that was signed
//! (receipt.md §3), and its core and input are looked through for what a replay needs. Python
//! believes an envelope by its signature, and a core because running comes to the same bytes.

const std = @import("std");
const bytes = @import("bytes.zig");

const Buffer = bytes.Buffer;
const Digest = bytes.Digest;

const cid_bytes = 36;
const link_head = "\xd8\x2a\x58\x25\x00";
const pack_bytes_max = 32 * 1024 * 1024; // so that all lengths in here are small
const batch_size_max = 65_536;
const way_max = 64;
const texts_max = 32; // of `versions`

const Damage = error{Damage};
const Failure = Damage || bytes.Error;

/// What a replay needs of a receipt: parts of the pack and of its core.
const Sight = struct {
    fuel: u64 = 0,
    time_ms: u64 = 0,
    seed: []const u8 = "",
    input: []const u8 = "",
    input_digest: Digest = @splat(0),
    eci: []const u8 = "",
    eid: []const u8 = "",
    host: []const u8 = "",
    name: []const u8 = "",
    attrs: []const u8 = "",
    domain: []const u8 = "",

    fn isAlike(self: *const Sight, other: *const Sight) bool {
        return std.mem.eql(u8, self.eci, other.eci) and std.mem.eql(u8, self.host, other.host) and
            std.mem.eql(u8, self.name, other.name) and std.mem.eql(u8, self.domain, other.domain);
    }
};

/// Receipts of a pico that follow each other, of events of one kind and under one signature; or
/// one of which a replay learns nothing here, which has no key.
const Span = struct {
    pico: []const u8 = "",
    seq: u64 = 0, // of the first
    count: u64 = 0,
    key: ?[key_bytes]u8 = null,
    sight: Sight = .{}, // of the first
};
const key_bytes = 136;

/// What is written for each receipt of a span; its core ends its row.
const Place = extern struct {
    row: u32,
    core: u32,
    row_end: u32,
    envelope_end: u32, // it begins where the one before it ends
    fuel: u64,
};

/// What is written for each block that came with a receipt.
const Block = extern struct {
    digest: Digest, // of DAG-CBOR; those of values are left to whoever asks
    at: u32, // in the pack
    len: u32,
    is_value: u32,
};

/// Reads CBOR in its shortest form; lengths are believed only when so many bytes are left.
const Cursor = struct {
    data: []const u8,
    at: usize = 0,

    fn left(self: *const Cursor) usize {
        return self.data.len - self.at;
    }

    fn byte(self: *Cursor) Damage!u8 {
        if (self.left() == 0) return error.Damage;
        self.at += 1;
        return self.data[self.at - 1];
    }

    fn take(self: *Cursor, count: u64) Damage![]const u8 {
        if (count > self.left()) return error.Damage;
        const start = self.at;
        self.at += @intCast(count);
        return self.data[start..self.at];
    }

    fn expect(self: *Cursor, part: []const u8) Damage!void {
        if (!std.mem.eql(u8, try self.take(part.len), part)) return error.Damage;
    }

    fn starts(self: *const Cursor, part: []const u8) bool {
        return std.mem.startsWith(u8, self.data[self.at..], part);
    }

    /// The argument of a head of this major type.
    fn head(self: *Cursor, major: u8) Damage!u64 {
        const first = try self.byte();
        if (first >> 5 != major) return error.Damage;
        const info = first & 31;
        if (info < 24) return info;
        if (info > 27) return error.Damage;
        const width = @as(usize, 1) << @intCast(info - 24);
        var argument: u64 = 0;
        for (try self.take(width)) |part| argument = argument << 8 | part;
        const least: u64 = if (width == 1) 24 else @as(u64, 1) << @intCast(width * 4);
        return if (argument < least) error.Damage else argument;
    }

    /// The length of a list, each item of which takes a byte or more.
    fn length(self: *Cursor, major: u8) Damage!usize {
        const found = try self.head(major);
        return if (found > self.left()) error.Damage else @intCast(found);
    }

    fn string(self: *Cursor, major: u8) Damage![]const u8 {
        return self.take(try self.head(major));
    }

    fn text(self: *Cursor) Damage![]const u8 {
        const found = try self.string(3);
        return if (std.unicode.utf8ValidateSlice(found)) found else error.Damage;
    }

    /// The 36 bytes of a link.
    fn link(self: *Cursor) Damage![]const u8 {
        try self.expect(link_head);
        const found = try self.take(cid_bytes);
        const is_known = std.mem.startsWith(u8, found, bytes.block_prefix) or
            std.mem.startsWith(u8, found, bytes.value_prefix);
        return if (is_known) found else error.Damage;
    }

    fn linkOrNull(self: *Cursor) Damage!?[]const u8 {
        if (!self.starts("\xf6")) return try self.link();
        self.at += 1;
        return null;
    }
};

/// What is kept between packs, as long as the process; for one thread at a time.
pub const Opener = struct {
    out: Buffer = .{},
    blocks: Buffer = .{},
    core: Buffer = .{},
    envelope: Buffer = .{},
    message: Buffer = .{},
    rows: Buffer = .{}, // of the open span, as are the next three
    envelopes: Buffer = .{},
    places: Buffer = .{},
    span: Span = .{},
    span_count: usize = 0,
    ways: Ways = .{},
    names: std.ArrayList([cid_bytes]u8) = .empty,
    before: std.StringHashMapUnmanaged([cid_bytes]u8) = .empty,

    /// Writes: the length of the spans, the number of blocks, where nodes begin in the pack; then
    /// the spans as a list of Python's `marshal`, and the blocks.
    pub fn open(self: *Opener, pack: []const u8) Failure!void {
        const out = &self.out;
        out.reset();
        self.blocks.reset();
        self.before.clearRetainingCapacity();
        if (pack.len > pack_bytes_max) return error.Damage;
        var cursor: Cursor = .{ .data = pack };
        try cursor.expect("\x82");
        const count = try cursor.length(4);
        for (0..3) |_| try out.addWord(0);
        const start = out.len;
        try out.addByte('[');
        try out.addWord(0);
        self.span = .{};
        try self.endSpan();
        self.span_count = 0;
        for (0..count) |_| try self.receipt(&cursor);
        try self.endSpan();
        out.setWord(start + 1, self.span_count);
        out.setWord(0, out.len - start);
        const nodes_at = cursor.at;
        for (0..try cursor.length(4)) |_| _ = try cursor.string(2);
        if (cursor.left() != 0) return error.Damage;
        out.setWord(4, self.blocks.len / @sizeOf(Block));
        out.setWord(8, nodes_at);
        try out.add(self.blocks.items());
    }

    fn receipt(self: *Opener, cursor: *Cursor) Failure!void {
        const items = try cursor.length(4);
        if (items < 5) return error.Damage;
        const pico = try cursor.text();
        const seq = try cursor.head(0);
        const core = try cursor.string(2);
        const envelope = try cursor.string(2);
        var places = cursor.*;
        const places_count = try cursor.length(4);
        for (0..places_count) |_| _ = try cursor.head(0);
        const blocks_at = self.blocks.len;
        try self.readBlocks(cursor, pico, items - 5);
        if (places_count != 1 + self.names.items.len) return error.Damage;

        _ = try places.head(4);
        const place = try places.head(0);
        try self.mend(core, &places);
        const name = bytes.block_prefix.* ++ bytes.digestOf(self.core.items());
        try self.before.put(bytes.gpa, pico, name);
        try self.mendEnvelope(envelope, place, &name);

        var sight: Sight = .{};
        const seen = self.see(cursor.data, blocks_at, &name, &sight);
        const key: ?[key_bytes]u8 = seen catch |problem| switch (problem) {
            error.Damage => null,
            else => |other| return other,
        };
        if (key == null) sight = .{};
        try self.addToSpan(pico, seq, &key, name[4..], &sight);
    }

    fn addToSpan(
        self: *Opener,
        pico: []const u8,
        seq: u64,
        key: *const ?[key_bytes]u8,
        core_digest: *const Digest,
        sight: *const Sight,
    ) bytes.Error!void {
        const span = &self.span;
        if (!(span.count > 0 and span.key != null and key.* != null and
            std.mem.eql(u8, &span.key.?, &key.*.?) and seq -% span.seq == span.count and
            std.mem.eql(u8, span.pico, pico) and span.sight.isAlike(sight)))
        {
            try self.endSpan();
            span.* = .{ .pico = pico, .seq = seq, .key = key.*, .sight = sight.* };
        }
        span.count += 1;
        var place = std.mem.zeroes(Place);
        place.row = @intCast(self.rows.len);
        try self.addRow(core_digest, sight);
        place.row_end = @intCast(self.rows.len);
        place.core = @intCast(self.rows.len - self.core.len);
        try self.envelopes.add(self.envelope.items());
        place.envelope_end = @intCast(self.envelopes.len);
        place.fuel = sight.fuel;
        try self.places.add(std.mem.asBytes(&place));
    }

    fn endSpan(self: *Opener) bytes.Error!void {
        const span = &self.span;
        if (span.count > 0) {
            const out = &self.out;
            const sight = &span.sight;
            self.span_count += 1;
            try out.addByte('[');
            try out.addWord(10);
            try addText(out, span.pico);
            try addNumber(out, span.seq);
            try addOctets(out, if (span.key) |*key| key else "");
            for ([_][]const u8{ sight.eci, sight.domain, sight.name, sight.host }) |text| {
                try addText(out, text);
            }
            for ([_]*const Buffer{ &self.rows, &self.envelopes, &self.places }) |buffer| {
                try addOctets(out, buffer.items());
            }
        }
        span.* = .{};
        self.rows.reset();
        self.envelopes.reset();
        self.places.reset();
    }

    /// What `event.zig` takes to run it again.
    fn addRow(self: *Opener, core_digest: *const Digest, sight: *const Sight) bytes.Error!void {
        const out = &self.rows;
        const nothing: Digest = @splat(0);
        const seed = if (sight.seed.len == 32) sight.seed else &nothing;
        const parts = [_][]const u8{ sight.eid, sight.attrs, sight.input, self.core.items() };
        std.mem.writeInt(u64, (try out.extend(8))[0..8], sight.time_ms, .little);
        try out.add(seed);
        try out.add(&sight.input_digest);
        try out.add(core_digest);
        for (parts) |part| try out.addWord(part.len);
        for (parts) |part| try out.add(part);
    }

    /// The blocks of a receipt, and the names that can be missing in its core.
    fn readBlocks(self: *Opener, cursor: *Cursor, pico: []const u8, count: usize) Failure!void {
        self.names.clearRetainingCapacity();
        const nothing: [cid_bytes]u8 = @splat(0);
        try self.names.append(bytes.gpa, self.before.get(pico) orelse nothing);
        for (0..count) |_| {
            const is_value = cursor.starts("\x81");
            if (is_value) cursor.at += 1;
            const data = try cursor.string(2);
            var block = std.mem.zeroes(Block);
            block.at = @intCast(cursor.at - data.len);
            block.len = @intCast(data.len);
            block.is_value = @intFromBool(is_value);
            if (!is_value) {
                block.digest = bytes.digestOf(data);
                try self.names.append(bytes.gpa, bytes.block_prefix.* ++ block.digest);
            }
            try self.blocks.add(std.mem.asBytes(&block));
        }
    }

    /// A core with its names back in their places, which ascend.
    fn mend(self: *Opener, core: []const u8, places: *Cursor) Failure!void {
        self.core.reset();
        var at: usize = 0;
        var cut: u64 = 0;
        for (self.names.items) |*name| {
            const place = try places.head(0);
            if (place == 0) continue;
            if (place < cut or place - cut < at) return error.Damage;
            const end: usize = @intCast(@min(place - cut, core.len));
            if (end < at) return error.Damage;
            try self.core.add(core[at..end]);
            try self.core.add(name);
            at = end;
            cut += cid_bytes;
        }
        try self.core.add(core[at..]);
    }

    fn mendEnvelope(self: *Opener, cut: []const u8, place: u64, name: []const u8) Failure!void {
        self.envelope.reset();
        const at: usize = @intCast(@min(place, cut.len));
        try self.envelope.add(cut[0..at]);
        if (place != 0) try self.envelope.add(name);
        try self.envelope.add(cut[at..]);
    }

    /// What a replay needs, and what the signature has to hold for.
    fn see(
        self: *Opener,
        pack: []const u8,
        blocks_at: usize,
        name: []const u8,
        sight: *Sight,
    ) Failure![key_bytes]u8 {
        const input = try self.look(sight);
        for (0..(self.blocks.len - blocks_at) / @sizeOf(Block)) |number| {
            const place = blocks_at + number * @sizeOf(Block);
            const block = std.mem.bytesToValue(Block, self.blocks.data[place..][0..@sizeOf(Block)]);
            if (block.is_value == 1 or !std.mem.eql(u8, &block.digest, input[4..])) continue;
            sight.input = pack[block.at..][0..block.len];
            sight.input_digest = block.digest;
            try lookAtEvent(sight);
            return self.seal(name);
        }
        return error.Damage; // it lies elsewhere
    }

    /// What the signature of an envelope of this core has to hold for, when all else is well.
    fn seal(self: *Opener, name: []const u8) Failure![key_bytes]u8 {
        const envelope = self.envelope.items();
        var cursor: Cursor = .{ .data = envelope };
        try cursor.expect("\xaa\x61v\x01\x64core");
        if (!std.mem.eql(u8, try cursor.link(), name)) return error.Damage;
        try cursor.expect("\x64logs");
        _ = try cursor.linkOrNull();
        const batch = cursor.at;
        try cursor.expect("\x65batch\x83");
        const index = try cursor.head(0);
        const size = try cursor.head(0);
        if (index >= size or size < 2 or size > batch_size_max) return error.Damage;
        const steps = try cursor.head(4);
        if (steps > way_max) return error.Damage;
        const way = try cursor.take(34 * steps);
        const batch_end = cursor.at;
        try cursor.expect("\x66engine\x58\x20");
        const engine = try cursor.take(32);
        try cursor.expect("\x67backend");
        _ = try cursor.text();
        try cursor.expect("\x68versions");
        try textMap(&cursor);
        const signed = cursor.at;
        try cursor.expect("\x69signature\x58\x40");
        const signature = try cursor.take(64);
        const signed_end = cursor.at;
        try cursor.expect("\x6aelapsed_us");
        _ = try cursor.head(0);
        try cursor.expect("\x6breceived_ms");
        _ = try cursor.head(0);
        if (cursor.left() != 0) return error.Damage;

        self.message.reset();
        try self.message.add("\x00\xa8");
        try self.message.add(envelope[1..batch]);
        try self.message.add(envelope[batch_end..signed]);
        try self.message.add(envelope[signed_end..]);
        const leaf = bytes.digestOf(self.message.items());
        const root = try self.ways.follow(leaf, index, size, way);
        var key: [key_bytes]u8 = undefined;
        @memcpy(key[0..32], engine);
        @memcpy(key[32..96], signature);
        std.mem.writeInt(u64, key[96..104], size, .big);
        @memcpy(key[104..], &root);
        return key;
    }

    /// What the transition was given besides its input, whose name is returned.
    fn look(self: *Opener, sight: *Sight) Failure![]const u8 {
        var cursor: Cursor = .{ .data = self.core.items() };
        try cursor.expect("\xb2\x61v\x01\x63pre");
        _ = try cursor.link();
        try cursor.expect("\x63seq");
        _ = try cursor.head(0);
        try cursor.expect("\x64code");
        for (0..try cursor.length(4)) |_| {
            try cursor.expect("\x83");
            _ = try cursor.string(3);
            _ = try cursor.link();
            _ = try cursor.link();
        }
        try cursor.expect("\x64fuel");
        sight.fuel = try cursor.head(0);
        try cursor.expect("\x64kind\x65event\x64pico");
        _ = try cursor.string(3);
        try cursor.expect("\x64post");
        _ = try cursor.link();
        try cursor.expect("\x64prev");
        _ = try cursor.linkOrNull();
        try cursor.expect("\x64seed\x58\x20");
        sight.seed = try cursor.take(32);
        try cursor.expect("\x64tape" ++ link_head ++ bytes.block_prefix);
        try cursor.expect(&empty_list);
        try cursor.expect("\x64time");
        sight.time_ms = try cursor.head(0);
        try cursor.expect("\x65event");
        return cursor.link();
    }
};

fn lookAtEvent(sight: *Sight) Damage!void {
    var cursor: Cursor = .{ .data = sight.input };
    try cursor.expect("\xa9\x61v\x01\x63eci");
    sight.eci = try cursor.text();
    try cursor.expect("\x63eid");
    sight.eid = try cursor.text();
    try cursor.expect("\x64host");
    sight.host = try cursor.text();
    try cursor.expect("\x64kind\x65event\x64name");
    sight.name = try cursor.text();
    try cursor.expect("\x65attrs");
    sight.attrs = try cursor.string(2);
    try cursor.expect("\x66domain");
    sight.domain = try cursor.text();
    try cursor.expect("\x68schedule\xf6");
    if (cursor.left() != 0) return error.Damage;
}

// As `marshal` of Python has them in every version.

fn addOctets(out: *Buffer, part: []const u8) bytes.Error!void {
    try out.addByte('s');
    try out.addWord(part.len);
    try out.add(part);
}

fn addText(out: *Buffer, part: []const u8) bytes.Error!void {
    try out.addByte('u');
    try out.addWord(part.len);
    try out.add(part);
}

fn addNumber(out: *Buffer, number: u64) bytes.Error!void {
    if (number <= std.math.maxInt(i32)) {
        try out.addByte('i');
        return out.addWord(@intCast(number));
    }
    try out.addByte('l');
    try out.addWord((64 - @clz(number) + 14) / 15);
    var rest = number;
    while (rest > 0) : (rest >>= 15) {
        const digit: u16 = @intCast(rest & 0x7fff);
        std.mem.writeInt(u16, (try out.extend(2))[0..2], digit, .little);
    }
}

const empty_list = digest: {
    @setEvalBranchQuota(100_000);
    break :digest bytes.digestOf("\x80");
};

/// A map of texts in the order of its keys.
fn textMap(cursor: *Cursor) Damage!void {
    var before: []const u8 = "";
    const count = try cursor.head(5);
    if (count > texts_max) return error.Damage;
    for (0..@intCast(count)) |number| {
        const name = try cursor.text();
        if (number > 0 and !isBefore(before, name)) return error.Damage;
        before = name;
        _ = try cursor.text();
    }
}

fn isBefore(a: []const u8, b: []const u8) bool {
    if (a.len != b.len) return a.len < b.len;
    return std.mem.order(u8, a, b) == .lt;
}

/// Follows ways to their roots (checkpoint.md §3). The next envelope of a batch comes to a node
/// that the one before it has come to, and goes on from there alike: then their root is the same.
const Ways = struct {
    size: u64 = 0, // 0: none was followed yet
    count: usize = 0,
    turns: [way_max]bool = undefined, // from the leaf up: whether it comes from the right
    nodes: [way_max]Digest = undefined,
    way: [34 * way_max]u8 = undefined,
    root: Digest = undefined,

    fn follow(self: *Ways, leaf: Digest, index: u64, size: u64, way: []const u8) Damage!Digest {
        var turns: [way_max]bool = undefined;
        const count = turnsOf(index, size, &turns);
        if (way.len != 34 * count) return error.Damage;
        const is_next = self.size == size and self.count == count;
        self.size = 0;
        var node: [65]u8 = undefined;
        node[0] = 1;
        var found = leaf;
        for (0..count) |step| {
            const rest = way[34 * step ..];
            if (is_next and std.mem.eql(u8, &self.nodes[step], &found) and
                std.mem.eql(bool, self.turns[step..count], turns[step..count]) and
                std.mem.eql(u8, self.way[34 * step .. 34 * count], rest))
            {
                found = self.root;
                break;
            }
            if (rest[0] != 0x58 or rest[1] != 0x20) return error.Damage;
            self.nodes[step] = found;
            @memcpy(node[if (turns[step]) 1 else 33..][0..32], rest[2..34]);
            @memcpy(node[if (turns[step]) 33 else 1..][0..32], &found);
            found = bytes.digestOf(&node);
        }
        self.size = size;
        self.count = count;
        self.root = found;
        @memcpy(self.turns[0..count], turns[0..count]);
        @memcpy(self.way[0..way.len], way);
        return found;
    }
};

/// From a leaf up, whether it comes from the right; returns how many steps there are.
fn turnsOf(index: u64, size: u64, turns: *[way_max]bool) usize {
    var count: usize = 0;
    var place = index;
    var rest = size;
    while (rest > 1) : (count += 1) {
        const half = @as(u64, 1) << @intCast(63 - @clz(rest - 1));
        turns[count] = place >= half;
        if (place >= half) {
            place -= half;
            rest -= half;
        } else rest = half;
    }
    std.mem.reverse(bool, turns[0..count]);
    return count;
}
