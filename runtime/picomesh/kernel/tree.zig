//! State trees (docs/formats/state.md §3) as `picomesh.ledger.tree` reads them: nodes and values by
//! the hash of their bytes, and the most frequent way to change them, a new value at a path that is
//! there.
//!
//! Such a change leaves the shape of the tree as it is, so a node is changed where it lies: other
//! digests at known places of its block, and a new hash. Its old name is then forgotten; who needs
//! it again reads it again. New paths and removed ones are shape.zig's; nodes that are not as they
//! must be are left to Python.

const std = @import("std");
const bytes = @import("bytes.zig");

const gpa = bytes.gpa;
const Digest = bytes.Digest;

pub const layer_max = 31;
const depth_max = layer_max + 1;
pub const paths_max = 2048;
const path_bytes_max = 4096;
const cache_bytes_max = 64 * 1024 * 1024;

pub const Failure = error{ OutOfMemory, NotHere };

pub const Entry = struct {
    path: []const u8,
    value_at: u32, // where the digest of the value stands in the block
    child_at: u32, // the same of the tree behind the path; 0 when there is none
    value: ?[]u8,
};

pub const Node = struct {
    digest: Digest,
    layer: u8,
    first_at: u32,
    block: []u8,
    entries: []Entry,
    paths: []u8, // what the entries' paths are slices of
    is_changed: bool = false,
    above: ?*Node = null, // while it is changed
    above_at: usize = 0,
    changed_in: u64 = 0, // the call of `Machine.again` that changed it
    first_digest: Digest = undefined, // what it was before that

    fn find(self: *const Node, path: []const u8) struct { at: usize, is_there: bool } {
        var low: usize = 0;
        var high: usize = self.entries.len;
        while (low < high) {
            const middle = (low + high) / 2;
            switch (std.mem.order(u8, self.entries[middle].path, path)) {
                .lt => low = middle + 1,
                .eq => return .{ .at = middle, .is_there = true },
                .gt => high = middle,
            }
        }
        return .{ .at = low, .is_there = false };
    }

    /// Where the digest of a tree below stands in the block; 0 when there is none.
    pub fn childAt(self: *const Node, gap: usize) u32 {
        return if (gap == 0) self.first_at else self.entries[gap - 1].child_at;
    }

    pub fn free(self: *Node) void {
        for (self.entries) |entry| if (entry.value) |value| gpa.free(value);
        gpa.free(self.entries);
        gpa.free(self.paths);
        gpa.free(self.block);
        gpa.destroy(self);
    }
};

/// How high a path stands: leading zero bits of its hash, in twos.
pub fn layerOf(path: []const u8) u8 {
    const digest = bytes.digestOf(path);
    const high = std.mem.readInt(u64, digest[0..8], .big);
    return @min(@clz(high) / 2, layer_max);
}

const ByDigest = struct {
    pub fn hash(_: ByDigest, key: Digest) u64 {
        return std.mem.readInt(u64, key[0..8], .little);
    }
    pub fn eql(_: ByDigest, a: Digest, b: Digest) bool {
        return std.mem.eql(u8, &a, &b);
    }
};

/// Brings a block that is not here into `given`: 0 when it cannot be had.
pub const Source = *const fn (digest: *const Digest, is_node: u8) callconv(.c) u8;

/// A value that is to be at a path, or that none is to be there.
pub const Write = struct {
    path: []const u8,
    value: ?[]const u8,
    digest: Digest = undefined,
    node: ?*Node = null,
    at: usize = 0,
    copy: ?[]u8 = null,
};

pub const changed_max = depth_max * 8; // more are left to Python

pub const Forest = struct {
    nodes: std.HashMapUnmanaged(Digest, *Node, ByDigest, 80) = .empty,
    held_bytes: usize = 0,
    source: ?Source = null,
    given: bytes.Buffer = .{}, // the block that the source brought
    changed: [changed_max]*Node = undefined,
    changed_count: usize = 0,
    call: u64 = 0, // counts those of `Machine.again`

    pub fn clear(self: *Forest) void {
        var every = self.nodes.valueIterator();
        while (every.next()) |node| node.*.free();
        self.nodes.clearRetainingCapacity();
        self.held_bytes = 0;
    }

    /// Between two events: makes room when too much is held.
    pub fn tidy(self: *Forest) void {
        if (self.held_bytes > cache_bytes_max) self.clear();
    }

    fn bring(self: *Forest, digest: *const Digest, is_node: bool) Failure![]const u8 {
        const source = self.source orelse return error.NotHere;
        self.given.reset();
        if (source(digest, @intFromBool(is_node)) == 0) return error.NotHere;
        const found = self.given.items();
        if (!std.mem.eql(u8, &bytes.digestOf(found), digest)) return error.NotHere;
        return found;
    }

    pub fn load(self: *Forest, digest: *const Digest) Failure!*Node {
        if (self.nodes.get(digest.*)) |known| return known;
        try self.nodes.ensureUnusedCapacity(gpa, 1);
        const node = try parse(try self.bring(digest, true));
        node.digest = digest.*;
        self.keep(node);
        return node;
    }

    /// Holds a node by its name; there has to be room. One that is there already is as good.
    pub fn keep(self: *Forest, node: *Node) void {
        const slot = self.nodes.getOrPutAssumeCapacity(node.digest);
        if (slot.found_existing) {
            self.held_bytes -|= sizeOf(slot.value_ptr.*);
            slot.value_ptr.*.free();
        }
        slot.value_ptr.* = node;
        self.held_bytes += sizeOf(node);
    }

    /// Forgets a node that is held.
    pub fn drop(self: *Forest, node: *Node) void {
        _ = self.nodes.remove(node.digest);
        self.held_bytes -|= sizeOf(node);
        node.free();
    }

    fn below(self: *Forest, node: *const Node, gap: usize) Failure!?*Node {
        const at = node.childAt(gap);
        if (at == 0) return null;
        return try self.load(node.block[at..][0..32]);
    }

    /// Tells of each node of a tree that this call has changed or made, once. All of them hang
    /// together, for whatever is above a new node is new.
    pub fn tellChanged(
        self: *Forest,
        root: *const Digest,
        out: *bytes.Buffer,
        comptime add: fn (*bytes.Buffer, *const Node) bytes.Error!void,
    ) bytes.Error!usize {
        const node = self.nodes.get(root.*) orelse return 0;
        if (node.changed_in != self.call) return 0;
        node.changed_in = 0;
        try add(out, node);
        var count: usize = 1;
        for (0..node.entries.len + 1) |gap| {
            const at = node.childAt(gap);
            if (at != 0) count += try self.tellChanged(node.block[at..][0..32], out, add);
        }
        return count;
    }

    /// What is at a path; null when nothing is.
    pub fn get(self: *Forest, root: *const Digest, path: []const u8) Failure!?[]const u8 {
        const layer = layerOf(path);
        var node: ?*Node = try self.load(root);
        for (0..depth_max) |_| {
            const here = node orelse return null;
            if (here.layer < layer) return null;
            const found = here.find(path);
            if (found.is_there) return try self.valueOf(&here.entries[found.at], here);
            node = try self.below(here, found.at);
        }
        return error.NotHere;
    }

    fn valueOf(self: *Forest, entry: *Entry, node: *const Node) Failure![]const u8 {
        if (entry.value) |known| return known;
        const brought = try self.bring(node.block[entry.value_at..][0..32], false);
        entry.value = try gpa.dupe(u8, brought);
        self.held_bytes += brought.len;
        return entry.value.?;
    }

    /// Finds the way to a path that is there, and marks the nodes on it. Not here: no such path.
    fn mark(self: *Forest, root: *const Digest, write: *Write) Failure!void {
        const layer = layerOf(write.path);
        var node: ?*Node = try self.load(root);
        var place: Place = .{};
        for (0..depth_max) |_| {
            const here = node orelse return error.NotHere;
            if (!place.fits(here)) return error.NotHere;
            try self.markNode(here, place.above, place.gap);
            const found = here.find(write.path);
            if (here.layer == layer and found.is_there) {
                write.node = here;
                write.at = found.at;
                return;
            }
            if (here.layer <= layer or found.is_there) return error.NotHere;
            place.descend(here, found.at);
            node = try self.below(here, found.at);
        }
        return error.NotHere;
    }

    fn markNode(self: *Forest, node: *Node, above: ?*Node, gap: usize) Failure!void {
        if (node.is_changed) {
            // One node in two places is no tree.
            if (node.above != above or node.above_at != gap) return error.NotHere;
            return;
        }
        if (self.changed_count == self.changed.len) return error.NotHere;
        node.is_changed = true;
        node.above = above;
        node.above_at = gap;
        self.changed[self.changed_count] = node;
        self.changed_count += 1;
    }

    fn unmark(self: *Forest) void {
        for (self.changed[0..self.changed_count]) |node| node.is_changed = false;
        self.changed_count = 0;
    }

    /// Puts values at paths that are there. On a failure nothing is changed.
    ///
    /// Behind it `changed` holds the new nodes, children behind their parents, and `before` of the
    /// same index is the digest that each had.
    pub fn replace(
        self: *Forest,
        root: *Digest,
        writes: []Write,
        before: *[changed_max]Digest,
    ) Failure!usize {
        defer self.unmark();
        for (writes) |*write| {
            if (write.value == null) return error.NotHere;
            try self.mark(root, write);
        }
        try self.nodes.ensureUnusedCapacity(gpa, @intCast(self.changed_count));
        try self.putValues(writes);
        const count = self.changed_count;
        var at = count;
        while (at > 0) {
            at -= 1; // a node is marked before those below it
            const node = self.changed[at];
            before[at] = node.digest;
            if (node.changed_in != self.call) node.first_digest = node.digest;
            node.changed_in = self.call;
            _ = self.nodes.remove(node.digest);
            node.digest = bytes.digestOf(node.block);
            if (node.above) |above| {
                @memcpy(above.block[above.childAt(node.above_at)..][0..32], &node.digest);
            } else root.* = node.digest;
        }
        for (self.changed[0..count]) |node| {
            self.held_bytes -|= sizeOf(node); // it was held by its name of before
            self.keep(node); // two picos can come to the same node
        }
        return count;
    }

    fn putValues(self: *Forest, writes: []Write) Failure!void {
        errdefer for (writes) |write| if (write.copy) |copy| gpa.free(copy);
        for (writes) |*write| write.copy = try gpa.dupe(u8, write.value.?); // all memory first
        for (writes) |write| {
            const entry = &write.node.?.entries[write.at];
            if (entry.value) |old| {
                self.held_bytes -|= old.len;
                gpa.free(old);
            }
            entry.value = write.copy;
            self.held_bytes += write.value.?.len;
            @memcpy(write.node.?.block[entry.value_at..][0..32], &write.digest);
        }
    }
};

fn sizeOf(node: *const Node) usize {
    const beside = 128; // the map, and what memory costs
    var size = node.block.len + node.paths.len + node.entries.len * @sizeOf(Entry);
    for (node.entries) |entry| size += if (entry.value) |value| value.len else 0;
    return size + @sizeOf(Node) + beside;
}

/// Where a node hangs, and the gap that its paths must lie in (state.md §4).
const Place = struct {
    above: ?*Node = null,
    gap: usize = 0,
    low: ?[]const u8 = null,
    high: ?[]const u8 = null,

    fn fits(self: *const Place, node: *const Node) bool {
        if (self.above) |above| if (node.layer >= above.layer) return false;
        const first = node.entries[0].path;
        const last = node.entries[node.entries.len - 1].path;
        if (self.low) |low| if (std.mem.order(u8, first, low) != .gt) return false;
        if (self.high) |high| if (std.mem.order(u8, last, high) != .lt) return false;
        return true;
    }

    fn descend(self: *Place, node: *Node, gap: usize) void {
        self.above = node;
        self.gap = gap;
        if (gap > 0) self.low = node.entries[gap - 1].path;
        if (gap < node.entries.len) self.high = node.entries[gap].path;
    }
};

const Cursor = struct {
    data: []const u8,
    at: usize = 0,

    fn take(self: *Cursor, count: usize) Failure![]const u8 {
        if (count > self.data.len - self.at) return error.NotHere;
        const found = self.data[self.at..][0..count];
        self.at += count;
        return found;
    }

    fn expect(self: *Cursor, part: []const u8) Failure!void {
        if (!std.mem.eql(u8, try self.take(part.len), part)) return error.NotHere;
    }

    fn argument(self: *Cursor, major: u8) Failure!usize {
        const first = (try self.take(1))[0];
        if (first >> 5 != major) return error.NotHere;
        const info = first & 31;
        if (info < 24) return info;
        if (info == 24) {
            const found = (try self.take(1))[0];
            return if (found < 24) error.NotHere else found;
        }
        if (info != 25) return error.NotHere; // no count or length in a node is that long
        const found = std.mem.readInt(u16, (try self.take(2))[0..2], .big);
        return if (found < 256) error.NotHere else found;
    }

    /// Where the digest of a tree stands; 0 for null.
    fn link(self: *Cursor) Failure!u32 {
        if (self.at < self.data.len and self.data[self.at] == 0xf6) {
            self.at += 1;
            return 0;
        }
        try self.expect(bytes.block_link);
        const at = self.at;
        _ = try self.take(32);
        return @intCast(at);
    }
};

/// Reads a node; one that breaks a rule of state.md §4 is not here.
fn parse(data: []const u8) Failure!*Node {
    var cursor: Cursor = .{ .data = data };
    const items = try cursor.argument(4);
    if (items < 2 or items > paths_max + 1) return error.NotHere;
    const node = try gpa.create(Node);
    errdefer gpa.destroy(node);
    const entries = try gpa.alloc(Entry, items - 1);
    errdefer gpa.free(entries);
    var paths: bytes.Buffer = .{};
    defer paths.free();
    const first_at = try cursor.link();
    var lengths: [paths_max]u16 = undefined;
    var before: usize = 0; // where the path before begins
    for (entries, 0..) |*entry, index| {
        try cursor.expect("\x84");
        const shared = try cursor.argument(0);
        const rest = try cursor.take(try cursor.argument(2));
        const last = paths.data[before..paths.len];
        if (shared > last.len or rest.len == 0) return error.NotHere;
        if (shared + rest.len > path_bytes_max) return error.NotHere;
        // Shortened as far as it can be, and behind the path before.
        if (shared < last.len and last[shared] >= rest[0]) return error.NotHere;
        const start = paths.len;
        const room = try paths.extend(shared + rest.len);
        @memcpy(room[0..shared], paths.data[before..][0..shared]);
        @memcpy(room[shared..], rest);
        before = start;
        lengths[index] = @intCast(room.len);
        try cursor.expect(bytes.value_link);
        entry.value_at = @intCast(cursor.at);
        _ = try cursor.take(32);
        entry.child_at = try cursor.link();
        entry.value = null;
    }
    if (cursor.at != data.len) return error.NotHere;
    const own = try gpa.dupe(u8, paths.items());
    errdefer gpa.free(own);
    const layer = try spread(entries, lengths[0..entries.len], own);
    const block = try gpa.dupe(u8, data);
    node.* = .{
        .digest = undefined,
        .layer = layer,
        .first_at = first_at,
        .block = block,
        .entries = entries,
        .paths = own,
    };
    return node;
}

/// Gives the entries their paths; all must be of one layer, which it returns.
fn spread(entries: []Entry, lengths: []const u16, paths: []u8) Failure!u8 {
    var at: usize = 0;
    var layer: ?u8 = null;
    for (entries, lengths) |*entry, length| {
        entry.path = paths[at..][0..length];
        at += length;
        const own = layerOf(entry.path);
        if (layer) |known| if (known != own) return error.NotHere;
        layer = own;
    }
    return layer.?;
}

/// Whether `parse` reads this.
pub fn isNode(data: []const u8) bool {
    const node = parse(data) catch return false;
    node.free();
    return true;
}
