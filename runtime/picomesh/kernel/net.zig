//! What many events come to together: the paths that they have written, each told once.

const std = @import("std");
const bytes = @import("bytes.zig");
const tree = @import("tree.zig");

const gpa = bytes.gpa;

pub const Net = struct {
    is_on: bool = false,
    text: bytes.Buffer = .{}, // of all paths
    places: std.ArrayList(Place) = .empty,

    const Place = struct { at: usize, len: usize };
    const looked_max = 64; // a path that is told twice is told twice: nothing is lost

    pub fn free(self: *Net) void {
        self.text.free();
        self.places.deinit(gpa);
    }

    pub fn begin(self: *Net, is_on: bool) void {
        self.is_on = is_on;
        self.text.reset();
        self.places.clearRetainingCapacity();
    }

    pub fn count(self: *const Net) usize {
        return self.places.items.len;
    }

    pub fn path(self: *const Net, number: usize) []const u8 {
        const place = self.places.items[number];
        return self.text.items()[place.at..][0..place.len];
    }

    pub fn note(self: *Net, writes: []const tree.Write) bytes.Error!void {
        for (writes) |write| {
            if (self.isNoted(write.path)) continue;
            try self.places.append(gpa, .{ .at = self.text.len, .len = write.path.len });
            errdefer _ = self.places.pop();
            try self.text.add(write.path);
        }
    }

    /// The value of each as it is now, in rows of a packet; how many there are.
    pub fn putWrites(
        self: *const Net,
        forest: *tree.Forest,
        root: *const bytes.Digest,
        out: *bytes.Buffer,
    ) tree.Failure!usize {
        var rows: usize = 0;
        for (0..self.count()) |number| {
            const now = try forest.get(root, self.path(number)) orelse continue; // it is no more
            try out.addWord(self.path(number).len);
            try out.add(self.path(number));
            try out.addNamed(&bytes.digestOf(now), now);
            rows += 1;
        }
        return rows;
    }

    /// The last ones first: most events write the same few.
    fn isNoted(self: *const Net, wanted: []const u8) bool {
        for (0..@min(self.count(), looked_max)) |back| {
            if (std.mem.eql(u8, self.path(self.count() - 1 - back), wanted)) return true;
        }
        return false;
    }
};

/// A row of a packet.
pub fn addNode(out: *bytes.Buffer, node: *const tree.Node) bytes.Error!void {
    try out.add(&node.first_digest);
    try out.addNamed(&node.digest, node.block);
}
