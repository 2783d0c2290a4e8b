//! Whether bytes are a value (docs/formats/value.md), as `picomesh.ledger.value` decodes it.
//!
//! Nothing is built: the bytes are looked through once. What is not a value here is left to Python,
//! which says what is wrong with it.

const std = @import("std");

const depth_max = 128;
const integer_max = (1 << 53) - 1;
const index_max = 4294967294;
const index_digits_max = 10;
const wrapped_keys_max = 64; // of a map in an order of its own; more are left to Python

pub const NotThis = error{NotThis};

const Head = struct { major: u8, info: u8, argument: u64 };

pub const Item = struct { start: usize, end: usize };

/// Looks at values in bytes, from the front to the back.
pub const Scanner = struct {
    data: []const u8,
    at: usize = 0,

    fn byte(self: *Scanner) NotThis!u8 {
        if (self.at >= self.data.len) return error.NotThis;
        const found = self.data[self.at];
        self.at += 1;
        return found;
    }

    fn take(self: *Scanner, count: u64) NotThis![]const u8 {
        if (count > self.data.len - self.at) return error.NotThis;
        const found = self.data[self.at..][0..@intCast(count)];
        self.at += @intCast(count);
        return found;
    }

    /// The next head; one that is longer than needed is none.
    pub fn head(self: *Scanner) NotThis!Head {
        const first = try self.byte();
        const info: u8 = first & 31;
        const major: u8 = first >> 5;
        if (info < 24 or major == 7) return .{ .major = major, .info = info, .argument = info };
        if (info > 27) return error.NotThis;
        const width = @as(usize, 1) << @intCast(info - 24);
        var argument: u64 = 0;
        for (try self.take(width)) |part| argument = argument << 8 | part;
        const least: u64 = if (width == 1) 24 else @as(u64, 1) << @intCast(4 * width);
        if (argument < least) return error.NotThis;
        return .{ .major = major, .info = info, .argument = argument };
    }

    pub fn text(self: *Scanner) NotThis![]const u8 {
        const found = try self.head();
        if (found.major != 3) return error.NotThis;
        return self.utf8(found.argument);
    }

    fn utf8(self: *Scanner, count: u64) NotThis![]const u8 {
        const found = try self.take(count);
        if (!std.unicode.utf8ValidateSlice(found)) return error.NotThis;
        return found;
    }

    /// Goes past one value.
    pub fn value(self: *Scanner, depth: usize) NotThis!void {
        const found = try self.head();
        switch (found.major) {
            0 => if (found.argument > integer_max) return error.NotThis,
            1 => if (found.argument > integer_max - 1) return error.NotThis,
            3 => _ = try self.utf8(found.argument),
            4 => try self.list(found.argument, depth),
            5 => try self.map(found.argument, depth),
            7 => try self.simple(found.info),
            else => return error.NotThis,
        }
    }

    fn simple(self: *Scanner, info: u8) NotThis!void {
        if (info >= 20 and info <= 22) return;
        if (info != 27) return error.NotThis;
        const bits = std.mem.readInt(u64, (try self.take(8))[0..8], .big);
        const number: f64 = @bitCast(bits);
        if (!std.math.isFinite(number)) return error.NotThis;
        if (@trunc(number) == number and @abs(number) <= integer_max) return error.NotThis;
    }

    fn enter(self: *Scanner, count: u64, least: u64, depth: usize) NotThis!void {
        if (depth + @intFromBool(count > 0) > depth_max) return error.NotThis;
        if (count > self.data.len or least * count > self.data.len - self.at) return error.NotThis;
    }

    fn list(self: *Scanner, count: u64, depth: usize) NotThis!void {
        try self.enter(count, 1, depth);
        for (0..@intCast(count)) |_| try self.value(depth + 1);
    }

    fn map(self: *Scanner, count: u64, depth: usize) NotThis!void {
        try self.enter(count, 2, depth);
        const start = self.at;
        if (count == 1) {
            if (std.mem.eql(u8, try self.text(), "/")) return self.wrapped(depth + 1);
            self.at = start;
        }
        var order: Order = .{};
        var before: ?[]const u8 = null;
        for (0..@intCast(count)) |_| {
            const key = try self.text();
            if (before) |last| if (!isLater(last, key)) return error.NotThis;
            try order.add(key);
            before = key;
            try self.value(depth + 1);
        }
    }

    /// A map in another order than CBOR's, as a list of keys and values (value.md §3).
    fn wrapped(self: *Scanner, depth: usize) NotThis!void {
        const found = try self.head();
        if (found.major != 4 or found.argument % 2 != 0) return error.NotThis;
        try self.enter(found.argument, 1, depth);
        const count: usize = @intCast(found.argument / 2);
        if (count == 0 or count > wrapped_keys_max) return error.NotThis;
        var keys: [wrapped_keys_max][]const u8 = undefined;
        var order: Order = .{};
        var is_sorted = true;
        for (0..count) |at| {
            const key = try self.text();
            for (keys[0..at]) |known| if (std.mem.eql(u8, known, key)) return error.NotThis;
            if (at > 0 and !isLater(keys[at - 1], key)) is_sorted = false;
            try order.add(key);
            keys[at] = key;
            try self.value(depth + 1);
        }
        const is_wrapper = count == 1 and std.mem.eql(u8, keys[0], "/");
        if (is_sorted and !is_wrapper) return error.NotThis;
    }
};

fn isLater(before: []const u8, key: []const u8) bool {
    if (before.len != key.len) return before.len < key.len;
    return std.mem.order(u8, before, key) == .lt;
}

/// Keys in KRL's order: what JavaScript takes for an array's index first, ascending.
const Order = struct {
    last: i64 = -1,
    has_other: bool = false,

    fn add(self: *Order, key: []const u8) NotThis!void {
        const index = indexOf(key) orelse {
            self.has_other = true;
            return;
        };
        if (self.has_other or index <= self.last) return error.NotThis;
        self.last = index;
    }
};

fn indexOf(key: []const u8) ?i64 {
    if (key.len == 0 or key.len > index_digits_max) return null;
    if (key[0] == '0' and key.len > 1) return null;
    var number: i64 = 0;
    for (key) |digit| {
        if (digit < '0' or digit > '9') return null;
        number = 10 * number + (digit - '0');
    }
    return if (number <= index_max) number else null;
}

/// The fields of a message that decide what it is, each as the bytes of its value.
pub const Message = struct {
    kind: []const u8 = "",
    eci: ?[]const u8 = null,
    domain: ?[]const u8 = null,
    name: ?[]const u8 = null,
    only: ?[]const u8 = null, // of `for`, where it is not null
    is_for_all: bool = true,
    attrs: ?[]const u8 = null, // the bytes of a map
    has_level: bool = false,
    has_message: bool = false,
    has_value: bool = false,
};

/// Looks through a message (value.md §4): a map whose entries are values. Not this: anything else.
pub fn readMessage(data: []const u8) NotThis!Message {
    var scanner: Scanner = .{ .data = data };
    const found = try scanner.head();
    if (found.major != 5) return error.NotThis;
    const left = data.len - scanner.at;
    if (found.argument > left or 2 * found.argument > left) return error.NotThis;
    var message: Message = .{};
    var before: ?[]const u8 = null;
    for (0..@intCast(found.argument)) |_| {
        const key = try scanner.text();
        if (before) |last| if (!isLater(last, key)) return error.NotThis;
        before = key;
        const start = scanner.at;
        try scanner.value(1);
        note(&message, key, data[start..scanner.at]);
    }
    if (scanner.at != data.len) return error.NotThis;
    return message;
}

fn note(message: *Message, key: []const u8, value: []const u8) void {
    if (std.mem.eql(u8, key, "kind")) message.kind = textOf(value) orelse "";
    if (std.mem.eql(u8, key, "eci")) message.eci = textOf(value);
    if (std.mem.eql(u8, key, "domain")) message.domain = textOf(value);
    if (std.mem.eql(u8, key, "name")) message.name = textOf(value);
    if (std.mem.eql(u8, key, "for")) {
        message.is_for_all = value[0] == 0xf6;
        message.only = textOf(value);
    }
    if (std.mem.eql(u8, key, "attrs") and value[0] >> 5 == 5) message.attrs = value;
    if (std.mem.eql(u8, key, "level")) message.has_level = true;
    if (std.mem.eql(u8, key, "message")) message.has_message = true;
    if (std.mem.eql(u8, key, "value")) message.has_value = true;
}

fn textOf(value: []const u8) ?[]const u8 {
    var scanner: Scanner = .{ .data = value };
    return scanner.text() catch null;
}

/// Whether this is what `handle` answers: a list of [rule, fired].
pub fn isListOfRules(data: []const u8) bool {
    return checkRules(data) catch false;
}

fn checkRules(data: []const u8) NotThis!bool {
    var scanner: Scanner = .{ .data = data };
    const found = try scanner.head();
    if (found.major != 4 or found.argument > data.len) return false;
    for (0..@intCast(found.argument)) |_| {
        const row = try scanner.head();
        if (row.major != 4 or row.argument != 2) return false;
        _ = try scanner.text();
        const fired = try scanner.head();
        if (fired.major != 7 or (fired.info != 20 and fired.info != 21)) return false;
    }
    return scanner.at == data.len;
}
