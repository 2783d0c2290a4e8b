//! Packs of receipts and their blocks (history.md §2) as `picomesh.store.packing` makes them,
//! before they are compressed. Every receipt comes with the packet that its event left.

const std = @import("std");
const bytes = @import("bytes.zig");
const event = @import("event.zig");

const gpa = bytes.gpa;
const Buffer = bytes.Buffer;
const Digest = bytes.Digest;
const Reader = bytes.Reader;

const none = std.math.maxInt(usize);

pub const Limits = extern struct {
    receipts_max: u64,
    bytes_max: u64,
    node_bytes_max: u64, // of a receipt; beyond, nodes are left as they are
};

const Receipt = struct {
    pico: usize, // its place among the picos
    seq: u64,
    envelope: []const u8,
    packet: []const u8,
    logs: []const u8, // digest and bytes of their block, or nothing

    fn section(self: *const Receipt, place: usize) struct { reader: Reader, count: usize } {
        var header: Reader = .{ .data = self.packet, .at = place };
        const at = header.word();
        return .{ .reader = .{ .data = self.packet, .at = at }, .count = header.word() };
    }

    fn core(self: *const Receipt) []const u8 {
        var found = self.section(event.At.core);
        return found.reader.take(found.count);
    }

    fn coreDigest(self: *const Receipt) *const Digest {
        return self.packet[event.At.core_digest..][0..32];
    }
};

const Pico = struct { name: []const u8, run: usize = none, before: ?*const Digest = null };
const Run = struct { pico: usize, seq: u64, count: u64 };

const Value = struct {
    pico: usize,
    path: []const u8,
    digest: *const Digest,
    data: []const u8,
    is_gone: bool = false,
};

/// What was written to a path; null: it was removed.
fn valueOf(reader: *Reader) ?[]const u8 {
    const count = reader.word();
    return if (count == event.nothing) null else reader.take(count);
}

/// A name: the same bytes as a block and as a value are two things, and so are two picos' nodes.
const Name = struct { mark: usize, digest: Digest };
const value_mark = 0x55; // the codecs of their CIDs
const block_mark = 0x71;
const Set = std.HashMapUnmanaged(Name, void, ByName, 80);
const Map = std.HashMapUnmanaged(Name, []const u8, ByName, 80);
const ByName = struct {
    pub fn hash(_: ByName, key: Name) u64 {
        return std.mem.readInt(u64, key.digest[0..8], .little) +% key.mark;
    }
    pub fn eql(_: ByName, a: Name, b: Name) bool {
        return a.mark == b.mark and std.mem.eql(u8, &a.digest, &b.digest);
    }
};

const raw_bytes = 36; // of a CID

pub const Packer = struct {
    receipts: std.ArrayList(Receipt) = .empty,
    picos: std.ArrayList(Pico) = .empty,
    runs: std.ArrayList(Run) = .empty,
    done: Set = .empty, // blocks that are in a row or a pack
    nodes_left: Map = .empty, // of the states at the end, marked with their picos
    values: std.ArrayList(Value) = .empty,
    items: Buffer = .{},
    blocks: Buffer = .{},
    places: Buffer = .{},
    nodes: Buffer = .{},
    names: Buffer = .{},

    pub fn free(self: *Packer) void {
        self.receipts.deinit(gpa);
        self.picos.deinit(gpa);
        self.runs.deinit(gpa);
        self.done.deinit(gpa);
        self.nodes_left.deinit(gpa);
        self.values.deinit(gpa);
        for ([_]*Buffer{
            &self.items, &self.blocks, &self.places, &self.nodes, &self.names,
        }) |buffer| buffer.free();
    }

    /// Makes packs of a group. `rest` are the CIDs of blocks that have rows already.
    ///
    /// `out` gets the blocks that stay, as rows of CID and bytes, and then the packs.
    pub fn make(
        self: *Packer,
        given: []const u8,
        rest: []const u8,
        limits: *const Limits,
        out: *Buffer,
    ) bytes.Error!void {
        out.reset();
        try self.read(given);
        self.done.clearRetainingCapacity();
        var reader: Reader = .{ .data = rest };
        while (reader.at < rest.len) {
            const raw = reader.take(raw_bytes);
            try self.done.put(gpa, .{ .mark = raw[1], .digest = raw[4..36].* }, {});
        }
        try self.stay(out);
        const count_at = out.len;
        try out.addWord(0);
        var first: usize = 0;
        var size: usize = 0;
        var count: usize = 0;
        for (self.receipts.items, 1..) |*receipt, end| {
            size += sizeOf(receipt);
            const is_full = end - first == limits.receipts_max or size >= limits.bytes_max;
            if (!is_full and end < self.receipts.items.len) continue;
            try self.pack(self.receipts.items[first..end], limits, out);
            count += 1;
            first = end;
            size = 0;
        }
        out.setWord(count_at, count);
    }

    fn read(self: *Packer, given: []const u8) bytes.Error!void {
        self.receipts.clearRetainingCapacity();
        self.picos.clearRetainingCapacity();
        var reader: Reader = .{ .data = given };
        while (reader.at < given.len) {
            const pico = reader.word();
            if (pico == self.picos.items.len) {
                try self.picos.append(gpa, .{ .name = reader.part() });
            }
            const seq = reader.long();
            const count = reader.word();
            const logs = reader.part();
            var envelopes = reader;
            for (0..count) |_| _ = reader.part();
            for (0..count) |at| try self.receipts.append(gpa, .{
                .pico = pico,
                .seq = seq + at,
                .envelope = envelopes.part(),
                .packet = reader.part(),
                .logs = logs,
            });
        }
    }

    // What stays: the newest value of each path, and the nodes that no later one replaced.

    fn stay(self: *Packer, out: *Buffer) bytes.Error!void {
        self.values.clearRetainingCapacity();
        self.nodes_left.clearRetainingCapacity();
        for (self.receipts.items) |*receipt| {
            try self.stayValues(receipt);
            try self.stayNodes(receipt);
        }
        const count_at = out.len;
        try out.addWord(0);
        var count: usize = 0;
        for (self.values.items) |*value| {
            if (value.is_gone or !try self.isNew(value_mark, value.digest)) continue;
            try addRow(out, bytes.value_prefix, value.digest, value.data);
            count += 1;
        }
        var every = self.nodes_left.iterator();
        while (every.next()) |entry| {
            const digest = &entry.key_ptr.digest;
            if (!try self.isNew(block_mark, digest)) continue;
            try addRow(out, bytes.block_prefix, digest, entry.value_ptr.*);
            count += 1;
        }
        out.setWord(count_at, count);
    }

    fn stayValues(self: *Packer, receipt: *const Receipt) bytes.Error!void {
        var rows = receipt.section(event.At.writes);
        for (0..rows.count) |_| {
            const path = rows.reader.part();
            const digest = rows.reader.take(32)[0..32];
            const before = self.known(receipt.pico, path);
            const data = valueOf(&rows.reader) orelse {
                if (before) |value| value.is_gone = true;
                continue;
            };
            const value: Value = .{
                .pico = receipt.pico,
                .path = path,
                .digest = digest,
                .data = data,
            };
            if (before) |known_value| known_value.* = value else try self.values.append(gpa, value);
        }
    }

    /// What was written to a path before. The last ones first: most events write the same few.
    fn known(self: *Packer, pico: usize, path: []const u8) ?*Value {
        const looked_max = 64; // two rows of one path are two rows: nothing is lost
        const items = self.values.items;
        for (0..@min(items.len, looked_max)) |back| {
            const value = &items[items.len - 1 - back];
            if (value.pico == pico and std.mem.eql(u8, value.path, path)) return value;
        }
        return null;
    }

    fn stayNodes(self: *Packer, receipt: *const Receipt) bytes.Error!void {
        var rows = receipt.section(event.At.nodes);
        var replaced = rows;
        for (0..rows.count) |_| {
            const before = replaced.reader.take(32)[0..32].*;
            _ = self.nodes_left.remove(.{ .mark = receipt.pico, .digest = before });
            _ = replaced.reader.take(32);
            _ = replaced.reader.part();
        }
        for (0..rows.count) |_| {
            _ = rows.reader.take(32);
            const digest = rows.reader.take(32)[0..32].*;
            const name: Name = .{ .mark = receipt.pico, .digest = digest };
            try self.nodes_left.put(gpa, name, rows.reader.part());
        }
    }

    // One pack.

    fn pack(
        self: *Packer,
        receipts: []const Receipt,
        limits: *const Limits,
        out: *Buffer,
    ) bytes.Error!void {
        self.items.reset();
        self.nodes.reset();
        self.names.reset();
        self.runs.clearRetainingCapacity();
        for (self.picos.items) |*pico| {
            pico.run = none;
            pico.before = null;
        }
        var node_count: usize = 0;
        for (receipts) |*receipt| node_count += try self.addReceipt(receipt);
        const is_loose = self.nodes.len >= limits.node_bytes_max * receipts.len;
        try self.putPack(receipts.len, node_count, is_loose, out);
    }

    fn putPack(
        self: *Packer,
        receipt_count: usize,
        node_count: usize,
        is_loose: bool,
        out: *Buffer,
    ) bytes.Error!void {
        try out.addWord(self.names.len);
        try out.add(self.names.items());
        const data_at = out.len;
        try out.addWord(0);
        try out.addByte(0x82);
        try out.addHead(4, receipt_count);
        try out.add(self.items.items());
        if (is_loose) try out.addByte(0x80) else try self.putNodes(node_count, out);
        out.setWord(data_at, out.len - data_at - 4);
        const loose_at = out.len;
        try out.addWord(0);
        if (is_loose) try self.putNodes(node_count, out) else try out.addByte(0x80);
        out.setWord(loose_at, out.len - loose_at - 4);
        try out.addWord(self.runs.items.len);
        for (self.runs.items) |run| {
            try out.addWord(run.pico);
            std.mem.writeInt(u64, (try out.extend(8))[0..8], run.seq, .little);
            try out.addWord(@intCast(run.count));
        }
    }

    fn putNodes(self: *Packer, count: usize, out: *Buffer) bytes.Error!void {
        try out.addHead(4, count);
        try out.add(self.nodes.items());
    }

    /// One receipt without the names that follow from what is there; how many nodes it adds.
    fn addReceipt(self: *Packer, receipt: *const Receipt) bytes.Error!usize {
        const pico = &self.picos.items[receipt.pico];
        if (pico.run == none) {
            pico.run = self.runs.items.len;
            try self.runs.append(gpa, .{ .pico = receipt.pico, .seq = receipt.seq, .count = 0 });
        }
        self.runs.items[pico.run].count += 1;
        var cut: Cut = .{ .data = receipt.core() };
        self.blocks.reset();
        self.places.reset();
        try cut.addPlace(if (pico.before) |digest| digest else null, &self.places);
        pico.before = receipt.coreDigest();
        var block_count: usize = 0;
        var record = receipt.section(event.At.record);
        for (0..record.count) |_| {
            const digest = record.reader.take(32)[0..32];
            block_count += try self.addBlock(digest, record.reader.part(), &cut);
        }
        if (receipt.logs.len != 0) {
            block_count += try self.addBlock(receipt.logs[0..32], receipt.logs[32..], &cut);
        }
        const known_count = 1 + block_count;
        block_count += try self.addValues(receipt);
        const nodes = try self.addNodes(receipt);
        try self.items.addHead(4, 5 + block_count);
        try self.items.addText(pico.name);
        try self.items.addHead(0, receipt.seq);
        try cut.put(&self.items);
        var sealed: Cut = .{ .data = receipt.envelope };
        try self.putEnvelope(&sealed, receipt.coreDigest(), known_count);
        try self.items.add(self.blocks.items());
        return nodes;
    }

    fn putEnvelope(
        self: *Packer,
        sealed: *Cut,
        core: *const Digest,
        known_count: usize,
    ) bytes.Error!void {
        const start = self.places.len;
        try sealed.addPlace(core, &self.places);
        try sealed.put(&self.items);
        try self.items.addHead(4, 1 + known_count);
        try self.items.add(self.places.items()[start..]);
        try self.items.add(self.places.items()[0..start]);
    }

    /// A block that only the receipt needs; how many that adds.
    fn addBlock(
        self: *Packer,
        digest: *const Digest,
        data: []const u8,
        cut: *Cut,
    ) bytes.Error!usize {
        if (!try self.add(block_mark, digest)) return 0;
        try self.blocks.addOctets(data);
        try cut.addPlace(digest, &self.places);
        return 1;
    }

    fn addValues(self: *Packer, receipt: *const Receipt) bytes.Error!usize {
        var count: usize = 0;
        var rows = receipt.section(event.At.writes);
        for (0..rows.count) |_| {
            _ = rows.reader.part();
            const digest = rows.reader.take(32)[0..32];
            const data = valueOf(&rows.reader) orelse continue;
            if (!try self.add(value_mark, digest)) continue;
            try self.blocks.addByte(0x81);
            try self.blocks.addOctets(data);
            count += 1;
        }
        return count;
    }

    fn addNodes(self: *Packer, receipt: *const Receipt) bytes.Error!usize {
        var count: usize = 0;
        var rows = receipt.section(event.At.nodes);
        for (0..rows.count) |_| {
            _ = rows.reader.take(32);
            const digest = rows.reader.take(32)[0..32];
            const data = rows.reader.part();
            if (!try self.add(block_mark, digest)) continue;
            try self.nodes.addOctets(data);
            count += 1;
        }
        return count;
    }

    /// Whether a block has no place yet; from now on it has one.
    fn isNew(self: *Packer, mark: usize, digest: *const Digest) bytes.Error!bool {
        const slot = try self.done.getOrPut(gpa, .{ .mark = mark, .digest = digest.* });
        return !slot.found_existing;
    }

    /// The same for one that comes into the pack, which lists its name.
    fn add(self: *Packer, mark: usize, digest: *const Digest) bytes.Error!bool {
        if (!try self.isNew(mark, digest)) return false;
        try self.names.add(digest[0..4]);
        return true;
    }
};

fn addRow(
    out: *Buffer,
    prefix: []const u8,
    digest: *const Digest,
    data: []const u8,
) bytes.Error!void {
    try out.add(prefix);
    try out.add(digest);
    try out.addWord(data.len);
    try out.add(data);
}

fn sizeOf(receipt: *const Receipt) usize {
    var size = receipt.core().len + receipt.logs.len -| 32;
    var record = receipt.section(event.At.record);
    for (0..record.count) |_| {
        _ = record.reader.take(32);
        size += record.reader.part().len;
    }
    var nodes = receipt.section(event.At.nodes);
    for (0..nodes.count) |_| {
        _ = nodes.reader.take(64);
        size += nodes.reader.part().len;
    }
    return size;
}

/// Bytes from which names are cut out: where each was is noted, 0 for nowhere.
const Cut = struct {
    data: []const u8,
    at: usize = 0,
    holes: [4]usize = undefined,
    hole_count: usize = 0,

    const name_bytes = 36;

    fn addPlace(self: *Cut, digest: ?*const Digest, places: *Buffer) bytes.Error!void {
        const found = if (digest) |known| self.find(known) else null;
        try places.addHead(0, found orelse 0);
    }

    /// Names are of blocks here, so what stands in front of the digest is known.
    fn find(self: *Cut, digest: *const Digest) ?usize {
        if (self.hole_count == self.holes.len) return null;
        const at = std.mem.indexOfPos(u8, self.data, self.at, digest) orelse return null;
        if (at < self.at + 4) return null;
        if (!std.mem.eql(u8, self.data[at - 4 .. at], bytes.block_prefix)) return null;
        self.holes[self.hole_count] = at - 4;
        self.hole_count += 1;
        self.at = at + 32;
        return at - 4;
    }

    /// What is left, as a byte string.
    fn put(self: *const Cut, out: *Buffer) bytes.Error!void {
        try out.addHead(2, self.data.len - name_bytes * self.hole_count);
        var at: usize = 0;
        for (self.holes[0..self.hole_count]) |hole| {
            try out.add(self.data[at..hole]);
            at = hole + name_bytes;
        }
        try out.add(self.data[at..]);
    }
};
