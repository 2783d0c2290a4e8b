//! Changes of a state tree's shape (docs/formats/state.md §3): paths that are new, and paths that
//! are no more. As `picomesh.ledger.tree` makes them, on drafts of the nodes on the way; until all
//! of them have blocks nothing is changed. A tree that is not as it must be is left to Python.

const std = @import("std");
const bytes = @import("bytes.zig");
const tree = @import("tree.zig");

const gpa = bytes.gpa;
const Digest = bytes.Digest;
const Allocator = std.mem.Allocator;
const Entry = tree.Entry;
const Failure = tree.Failure;
const Forest = tree.Forest;
const Node = tree.Node;
const Write = tree.Write;

const above_all = tree.layer_max + 1;

const Child = union(enum) { none, stored: Digest, draft: *Draft };

/// A path of a draft, and where its value comes from.
const Item = struct {
    path: []const u8,
    digest: Digest,
    entry: ?*Entry = null, // of a node that is there
    write: ?*const Write = null,
};

const Draft = struct {
    layer: u8,
    items: std.ArrayList(Item) = .empty,
    children: std.ArrayList(Child) = .empty, // one more

    fn find(self: *const Draft, path: []const u8) struct { at: usize, is_there: bool } {
        for (self.items.items, 0..) |*item, at| switch (std.mem.order(u8, item.path, path)) {
            .lt => continue,
            .eq => return .{ .at = at, .is_there = true },
            .gt => return .{ .at = at, .is_there = false },
        };
        return .{ .at = self.items.items.len, .is_there = false };
    }
};

/// What the paths of a tree must lie between, and below which layer.
const Room = struct {
    above: u8 = above_all,
    low: ?[]const u8 = null,
    high: ?[]const u8 = null,

    fn has(self: *const Room, node: *const Node) bool {
        if (node.layer >= self.above) return false;
        const entries = node.entries;
        if (self.low) |low| if (!isBefore(low, entries[0].path)) return false;
        if (self.high) |high| if (!isBefore(entries[entries.len - 1].path, high)) return false;
        return true;
    }

    /// The gap of a draft that stands here.
    fn gap(self: *const Room, draft: *const Draft, at: usize) Room {
        const items = draft.items.items;
        return .{
            .above = draft.layer,
            .low = if (at > 0) items[at - 1].path else self.low,
            .high = if (at < items.len) items[at].path else self.high,
        };
    }

    fn until(self: *const Room, path: []const u8) Room {
        return .{ .above = self.above, .low = self.low, .high = path };
    }

    fn from(self: *const Room, path: []const u8) Room {
        return .{ .above = self.above, .low = path, .high = self.high };
    }
};

/// Makes the writes, of which some are of new paths or remove one. On a failure nothing is changed.
///
/// What it leaves in `forest.changed` and `before` is what `Forest.replace` leaves, but that a
/// node can stand in no other's place (`before` is zeros) or in the place of several (it is told
/// again). A node that is as it was stands in both: who reads them forgets all of `before` first.
pub fn change(
    forest: *Forest,
    root: *Digest,
    writes: []const Write,
    before: *[tree.changed_max]Digest,
) Failure!usize {
    var arena = std.heap.ArenaAllocator.init(gpa);
    defer arena.deinit();
    var shaper: Shaper = .{ .forest = forest, .memory = arena.allocator() };
    defer for (shaper.opened.items) |node| {
        node.is_changed = false;
    };
    errdefer for (shaper.made.items) |made| made.node.free();
    var top: Child = .{ .stored = root.* };
    for (writes) |*write| {
        const was = top; // an argument must not be where the result is built
        if (write.value == null) {
            top = try shaper.delete(was, write.path, .{});
        } else {
            const draft = try shaper.put(was, write, tree.layerOf(write.path), .{});
            top = .{ .draft = draft };
        }
    }
    if (top != .draft) return error.NotHere; // empty, or a tree that is there already
    const after = try shaper.encode(top.draft);
    const count = try shaper.commit(before);
    root.* = after;
    return count;
}

const Made = struct { node: *Node, draft: *const Draft };

const Shaper = struct {
    forest: *Forest,
    memory: Allocator, // of the drafts
    opened: std.ArrayList(*Node) = .empty, // for which drafts stand
    made: std.ArrayList(Made) = .empty,

    /// A draft of a tree; null when there is none.
    fn open(self: *Shaper, child: Child, room: Room) Failure!?*Draft {
        switch (child) {
            .none => return null,
            .draft => |draft| return draft,
            .stored => |digest| {
                const node = try self.forest.load(&digest);
                if (node.is_changed or !room.has(node)) return error.NotHere; // this is no tree
                try self.opened.append(self.memory, node);
                node.is_changed = true;
                return try self.draftOf(node);
            },
        }
    }

    fn draftOf(self: *Shaper, node: *Node) Failure!*Draft {
        const draft = try self.newDraft(node.layer);
        try draft.children.append(self.memory, childOf(node, 0));
        for (node.entries, 1..) |*entry, gap| {
            try draft.items.append(self.memory, .{
                .path = entry.path,
                .digest = node.block[entry.value_at..][0..32].*,
                .entry = entry,
            });
            try draft.children.append(self.memory, childOf(node, gap));
        }
        return draft;
    }

    fn newDraft(self: *Shaper, layer: u8) Failure!*Draft {
        const draft = try self.memory.create(Draft);
        draft.* = .{ .layer = layer };
        return draft;
    }

    fn put(self: *Shaper, child: Child, write: *const Write, layer: u8, room: Room) Failure!*Draft {
        const item: Item = .{ .path = write.path, .digest = write.digest, .write = write };
        const found = try self.open(child, room);
        if (found == null or found.?.layer < layer) {
            const lower: Child = if (found) |low| .{ .draft = low } else .none;
            const halves = try self.split(lower, item.path, room);
            const draft = try self.newDraft(layer);
            try draft.items.append(self.memory, item);
            try draft.children.appendSlice(self.memory, &halves);
            return draft;
        }
        const draft = found.?;
        const place = draft.find(item.path);
        const here = &draft.children.items[place.at];
        const below = here.*;
        if (draft.layer > layer) {
            if (place.is_there) return error.NotHere;
            const changed = try self.put(below, write, layer, room.gap(draft, place.at));
            here.* = .{ .draft = changed };
        } else if (place.is_there) {
            draft.items.items[place.at] = item;
        } else {
            const halves = try self.split(below, item.path, room.gap(draft, place.at));
            try draft.items.insert(self.memory, place.at, item);
            here.* = halves[0];
            try draft.children.insert(self.memory, place.at + 1, halves[1]);
        }
        return draft;
    }

    /// The parts of a tree before and behind a path that is not in it.
    fn split(self: *Shaper, child: Child, path: []const u8, room: Room) Failure![2]Child {
        const draft = try self.open(child, room) orelse return .{ .none, .none };
        const place = draft.find(path);
        if (place.is_there) return error.NotHere;
        const at = place.at;
        const items, const children = .{ draft.items.items, draft.children.items };
        const halves = try self.split(children[at], path, room.gap(draft, at));
        const below = .{ children[0..at], children[at + 1 ..] };
        return .{
            try self.part(draft.layer, items[0..at], &.{ below[0], halves[0..1] }),
            try self.part(draft.layer, items[at..], &.{ halves[1..], below[1] }),
        };
    }

    /// A tree of some of a draft's paths; without any it is the one tree below.
    fn part(
        self: *Shaper,
        layer: u8,
        items: []const Item,
        children: []const []const Child,
    ) Failure!Child {
        const draft = try self.newDraft(layer);
        try draft.items.appendSlice(self.memory, items);
        for (children) |some| try draft.children.appendSlice(self.memory, some);
        return if (items.len == 0) draft.children.items[0] else .{ .draft = draft };
    }

    fn delete(self: *Shaper, child: Child, path: []const u8, room: Room) Failure!Child {
        const draft = try self.open(child, room) orelse return error.NotHere;
        const place = draft.find(path);
        const children = &draft.children;
        const gap = room.gap(draft, place.at);
        if (!place.is_there) {
            const below = children.items[place.at];
            const left = try self.delete(below, path, gap);
            children.items[place.at] = left;
            return .{ .draft = draft };
        }
        const behind = room.gap(draft, place.at + 1);
        const both: Room = .{ .above = draft.layer, .low = gap.low, .high = behind.high };
        const ends = [2]Child{ children.items[place.at], children.items[place.at + 1] };
        const joined = try self.join(ends[0], ends[1], path, both);
        _ = draft.items.orderedRemove(place.at);
        _ = children.orderedRemove(place.at + 1);
        children.items[place.at] = joined;
        return if (draft.items.items.len == 0) joined else .{ .draft = draft };
    }

    /// One tree of two, between which the path was.
    fn join(
        self: *Shaper,
        before: Child,
        behind: Child,
        path: []const u8,
        room: Room,
    ) Failure!Child {
        if (before == .none) return behind;
        if (behind == .none) return before;
        const left = (try self.open(before, room.until(path))).?;
        const right = (try self.open(behind, room.from(path))).?;
        const last = &left.children.items[left.items.items.len];
        const first = &right.children.items[0];
        const ends = [2]Child{ last.*, first.* };
        const inner: Room = .{
            .above = @max(left.layer, right.layer),
            .low = if (left.layer >= right.layer) left.items.getLast().path else room.low,
            .high = if (left.layer <= right.layer) right.items.items[0].path else room.high,
        };
        if (left.layer > right.layer) {
            const joined = try self.join(ends[0], .{ .draft = right }, path, inner);
            last.* = joined;
            return .{ .draft = left };
        }
        if (left.layer < right.layer) {
            const joined = try self.join(.{ .draft = left }, ends[1], path, inner);
            first.* = joined;
            return .{ .draft = right };
        }
        const joined = try self.join(ends[0], ends[1], path, inner);
        last.* = joined;
        try left.items.appendSlice(self.memory, right.items.items);
        try left.children.appendSlice(self.memory, right.children.items[1..]);
        return .{ .draft = left };
    }

    // Drafts to nodes, those below first.

    fn encode(self: *Shaper, draft: *const Draft) Failure!Digest {
        const items = draft.items.items;
        if (items.len > tree.paths_max) return error.NotHere;
        var block: bytes.Buffer = .{};
        defer block.free();
        var paths: bytes.Buffer = .{};
        defer paths.free();
        const entries = try gpa.alloc(Entry, items.len);
        errdefer gpa.free(entries);
        try block.addHead(4, items.len + 1);
        const first_at = try self.addChild(&block, draft.children.items[0]);
        var last: []const u8 = "";
        for (items, entries, draft.children.items[1..]) |*item, *entry, child| {
            const shared = std.mem.indexOfDiff(u8, last, item.path) orelse return error.NotHere;
            try block.addByte(0x84);
            try block.addHead(0, shared);
            try block.addOctets(item.path[shared..]);
            try block.add(bytes.value_link);
            entry.value_at = @intCast(block.len);
            try block.add(&item.digest);
            entry.child_at = try self.addChild(&block, child);
            entry.value = null;
            try paths.add(item.path);
            last = item.path;
        }
        const own = try gpa.dupe(u8, paths.items());
        errdefer gpa.free(own);
        var at: usize = 0;
        for (items, entries) |*item, *entry| {
            entry.path = own[at..][0..item.path.len];
            at += item.path.len;
        }
        try self.made.ensureUnusedCapacity(self.memory, 1);
        const node = try gpa.create(Node);
        errdefer gpa.destroy(node);
        node.* = .{
            .digest = bytes.digestOf(block.items()),
            .layer = draft.layer,
            .first_at = first_at,
            .block = try gpa.dupe(u8, block.items()),
            .entries = entries,
            .paths = own,
            .changed_in = self.forest.call,
            .first_digest = @splat(0),
        };
        self.made.appendAssumeCapacity(.{ .node = node, .draft = draft });
        return node.digest;
    }

    /// Where the digest of a tree stands; 0 for null.
    fn addChild(self: *Shaper, block: *bytes.Buffer, child: Child) Failure!u32 {
        const digest = switch (child) {
            .none => {
                try block.addByte(0xf6);
                return 0;
            },
            .stored => |digest| digest,
            .draft => |draft| try self.encode(draft),
        };
        try block.add(bytes.block_link);
        const at = block.len;
        try block.add(&digest);
        return @intCast(at);
    }

    // From here on the forest changes, and nothing fails any more.

    fn commit(self: *Shaper, before: *[tree.changed_max]Digest) Failure!usize {
        const forest = self.forest;
        const made, const opened = .{ self.made.items, self.opened.items };
        const count = @max(made.len, opened.len);
        if (count > tree.changed_max) return error.NotHere;
        try forest.nodes.ensureUnusedCapacity(gpa, @intCast(made.len));
        for (made) |it| for (it.draft.items.items, it.node.entries) |*item, *entry| {
            if (item.write) |write| entry.value = try gpa.dupe(u8, write.value.?);
        };
        for (0..count) |at| {
            before[at] = if (at < opened.len) opened[at].digest else @splat(0);
            const it = made[if (at < made.len) at else 0];
            if (at < made.len) it.node.first_digest = before[at];
            forest.changed[at] = it.node;
        }
        for (made) |it| for (it.draft.items.items, it.node.entries) |*item, *entry| {
            if (item.entry) |known| std.mem.swap(?[]u8, &entry.value, &known.value);
        };
        for (opened) |node| forest.drop(node);
        self.opened.clearRetainingCapacity();
        for (made) |it| forest.keep(it.node);
        return count;
    }
};

fn childOf(node: *const Node, gap: usize) Child {
    const at = node.childAt(gap);
    return if (at == 0) .none else .{ .stored = node.block[at..][0..32].* };
}

fn isBefore(a: []const u8, b: []const u8) bool {
    return std.mem.order(u8, a, b) == .lt;
}
