//! Bytes that grow, CBOR's heads, and the one hash: what every other file here writes with.

const std = @import("std");
const hash = @import("hash.zig");

pub const gpa = std.heap.c_allocator;
pub const Digest = [32]u8;

pub const Error = error{OutOfMemory};

/// A text of bytes that grows; `reset` keeps its memory for the next event.
pub const Buffer = struct {
    data: []u8 = &.{},
    len: usize = 0,

    pub fn reset(self: *Buffer) void {
        self.len = 0;
    }

    pub fn free(self: *Buffer) void {
        gpa.free(self.data);
        self.* = .{};
    }

    pub fn items(self: *const Buffer) []u8 {
        return self.data[0..self.len];
    }

    /// Room for so many bytes at the end, which count as written.
    pub fn extend(self: *Buffer, count: usize) Error![]u8 {
        const end = self.len + count;
        if (end > self.data.len) {
            const size = @max(end, 2 * self.data.len, 1024);
            const grown = try gpa.alloc(u8, size);
            @memcpy(grown[0..self.len], self.data[0..self.len]);
            gpa.free(self.data);
            self.data = grown;
        }
        const room = self.data[self.len..end];
        self.len = end;
        return room;
    }

    pub fn add(self: *Buffer, part: []const u8) Error!void {
        @memcpy(try self.extend(part.len), part);
    }

    pub fn addByte(self: *Buffer, byte: u8) Error!void {
        (try self.extend(1))[0] = byte;
    }

    pub fn addWord(self: *Buffer, word: usize) Error!void {
        const narrow: u32 = @intCast(word);
        std.mem.writeInt(u32, (try self.extend(4))[0..4], narrow, .little);
    }

    /// A number that `addWord` wrote before.
    pub fn setWord(self: *Buffer, at: usize, word: usize) void {
        const narrow: u32 = @intCast(word);
        std.mem.writeInt(u32, self.data[at..][0..4], narrow, .little);
    }

    /// A major type with its argument, written as short as can be (block.md §1).
    pub fn addHead(self: *Buffer, major: u8, argument: u64) Error!void {
        const first = major << 5;
        if (argument < 24) return self.addByte(first | @as(u8, @intCast(argument)));
        var big: [8]u8 = undefined;
        std.mem.writeInt(u64, &big, argument, .big);
        const info: u8 = if (argument < 1 << 8)
            24
        else if (argument < 1 << 16)
            25
        else if (argument < 1 << 32)
            26
        else
            27;
        try self.addByte(first | info);
        const width = @as(usize, 1) << @intCast(info - 24);
        try self.add(big[8 - width ..]);
    }

    pub fn addNumber(self: *Buffer, number: i64) Error!void {
        if (number >= 0) return self.addHead(0, @intCast(number));
        return self.addHead(1, @intCast(-(number + 1)));
    }

    pub fn addOctets(self: *Buffer, part: []const u8) Error!void {
        try self.addHead(2, part.len);
        try self.add(part);
    }

    /// A block by its name: digest, length, bytes.
    pub fn addNamed(self: *Buffer, digest: *const Digest, block: []const u8) Error!void {
        try self.add(digest);
        try self.addWord(block.len);
        try self.add(block);
    }

    pub fn addText(self: *Buffer, part: []const u8) Error!void {
        try self.addHead(3, part.len);
        try self.add(part);
    }
};

pub fn digestOf(data: []const u8) Digest {
    var out: Digest = undefined;
    hash.digest(data, &out);
    return out;
}

/// What stands in front of a digest: tag 42, 37 bytes, a zero, and the CID's own prefix.
pub const block_link = "\xd8\x2a\x58\x25\x00" ++ block_prefix;
pub const value_link = "\xd8\x2a\x58\x25\x00" ++ value_prefix;
pub const block_prefix = "\x01\x71\x1e\x20";
pub const value_prefix = "\x01\x55\x1e\x20";

/// Reads what this process wrote itself: lengths are believed, and checked by the slices.
pub const Reader = struct {
    data: []const u8,
    at: usize = 0,

    pub fn take(self: *Reader, count: usize) []const u8 {
        const found = self.data[self.at..][0..count];
        self.at += count;
        return found;
    }

    pub fn word(self: *Reader) usize {
        return std.mem.readInt(u32, self.take(4)[0..4], .little);
    }

    pub fn long(self: *Reader) u64 {
        return std.mem.readInt(u64, self.take(8)[0..8], .little);
    }

    /// Bytes behind their length.
    pub fn part(self: *Reader) []const u8 {
        return self.take(self.word());
    }
};
