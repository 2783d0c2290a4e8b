//! Envelopes of many receipts under one signature (receipt.md §3), as `picomesh.ledger.receipt`
//! makes them: first what is signed, then, with the signature, the envelopes.

const std = @import("std");
const bytes = @import("bytes.zig");

const Buffer = bytes.Buffer;
const Digest = bytes.Digest;

pub const batch_max = 64;
const way_max = 6; // its logarithm

const Message = struct { front: Span, back: Span };
const Span = struct { at: usize, len: usize };

pub const Sealing = struct {
    count: usize = 0,
    parts: Buffer = .{}, // the fronts and backs
    before: Buffer = .{}, // what all envelopes of an engine have in common
    between: Buffer = .{},
    unsigned: Buffer = .{},
    messages: [batch_max]Message = undefined,
    leaves: [batch_max]Digest = undefined,
    ways: [batch_max][way_max]Digest = undefined,
    way_lengths: [batch_max]usize = undefined,

    pub fn free(self: *Sealing) void {
        for ([_]*Buffer{ &self.parts, &self.before, &self.between, &self.unsigned }) |buffer| {
            buffer.free();
        }
    }

    pub fn setSender(self: *Sealing, before: []const u8, between: []const u8) bytes.Error!void {
        self.before.reset();
        try self.before.add(before);
        self.between.reset();
        try self.between.add(between);
    }

    /// Takes the rows of a batch; leaves in `out` what is to be signed behind the domain.
    ///
    /// A row is the core's digest, the time, the time taken, and the digest of the logs or zeros.
    pub fn begin(self: *Sealing, rows: []const u8, out: *Buffer) bytes.Error!bool {
        var reader: bytes.Reader = .{ .data = rows };
        self.count = rows.len / row_bytes;
        if (self.count == 0 or self.count > batch_max) return false;
        self.parts.reset();
        for (self.messages[0..self.count], self.leaves[0..self.count]) |*message, *leaf| {
            try self.addMessage(message, &reader);
            leaf.* = bytes.digestOf(self.unsigned.items());
        }
        out.reset();
        if (self.count == 1) {
            try out.add(self.unsigned.items()[1..]);
            return true;
        }
        @memset(self.way_lengths[0..self.count], 0);
        const root = self.join(0, self.count);
        var size: [8]u8 = undefined;
        std.mem.writeInt(u64, &size, self.count, .big);
        try out.add(&size);
        try out.add(&root);
        return true;
    }

    const row_bytes = 32 + 8 + 8 + 32;

    fn addMessage(self: *Sealing, message: *Message, reader: *bytes.Reader) bytes.Error!void {
        const parts = &self.parts;
        const core = reader.take(32);
        const received: i64 = @bitCast(reader.long());
        const elapsed = reader.long();
        const logs = reader.take(32);
        const front = parts.len;
        try parts.add("\x61v\x01\x64core" ++ bytes.block_link);
        try parts.add(core);
        try parts.add("\x64logs");
        if (std.mem.allEqual(u8, logs, 0)) {
            try parts.addByte(0xf6);
        } else {
            try parts.add(bytes.block_link);
            try parts.add(logs);
        }
        const back = parts.len;
        try parts.add("\x6aelapsed_us");
        try parts.addHead(0, elapsed);
        try parts.add("\x6breceived_ms");
        try parts.addNumber(received);
        message.* = .{
            .front = .{ .at = front, .len = back - front },
            .back = .{ .at = back, .len = parts.len - back },
        };
        try self.makeUnsigned(message);
    }

    /// The block without `signature` and `batch`, behind the byte that marks a leaf.
    fn makeUnsigned(self: *Sealing, message: *const Message) bytes.Error!void {
        const out = &self.unsigned;
        out.reset();
        try out.add("\x00\xa8");
        try out.add(self.part(message.front));
        try out.add(self.before.items());
        try out.add(self.between.items());
        try out.add(self.part(message.back));
    }

    fn part(self: *const Sealing, span: Span) []const u8 {
        return self.parts.items()[span.at..][0..span.len];
    }

    /// The root over some leaves; each gets the hashes beside its way (checkpoint.md §3).
    fn join(self: *Sealing, first: usize, end: usize) Digest {
        if (end - first == 1) return self.leaves[first];
        const middle = first + std.math.floorPowerOfTwo(usize, end - first - 1);
        const left = self.join(first, middle);
        const right = self.join(middle, end);
        self.lengthen(first, middle, &right);
        self.lengthen(middle, end, &left);
        var data: [65]u8 = undefined;
        data[0] = 1;
        data[1..33].* = left;
        data[33..65].* = right;
        return bytes.digestOf(&data);
    }

    fn lengthen(self: *Sealing, first: usize, end: usize, digest: *const Digest) void {
        for (first..end) |at| {
            self.ways[at][self.way_lengths[at]] = digest.*;
            self.way_lengths[at] += 1;
        }
    }

    /// The envelopes, each behind its length.
    pub fn finish(self: *Sealing, signature: []const u8, out: *Buffer) bytes.Error!void {
        out.reset();
        for (self.messages[0..self.count], 0..) |*message, index| {
            const start = out.len;
            try out.addWord(0);
            try out.addByte(0xaa);
            try out.add(self.part(message.front));
            try out.add("\x65batch");
            try self.addBatch(index, out);
            try out.add(self.before.items());
            try out.add(self.between.items());
            try out.add("\x69signature");
            try out.addOctets(signature);
            try out.add(self.part(message.back));
            out.setWord(start, out.len - start - 4);
        }
    }

    fn addBatch(self: *Sealing, index: usize, out: *Buffer) bytes.Error!void {
        if (self.count == 1) return out.addByte(0xf6);
        try out.addByte(0x83);
        try out.addHead(0, index);
        try out.addHead(0, self.count);
        try out.addHead(4, self.way_lengths[index]);
        for (self.ways[index][0..self.way_lengths[index]]) |*digest| try out.addOctets(digest);
    }
};
