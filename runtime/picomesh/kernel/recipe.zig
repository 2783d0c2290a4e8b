//! What is the same for many events of a pico (`engine/native.py` makes it): pieces of messages and
//! blocks, and the rulesets with their prepared instances.

const std = @import("std");
const bytes = @import("bytes.zig");
const guest = @import("guest.zig");

const gpa = bytes.gpa;
const Reader = bytes.Reader;

/// What a ruleset is given of one kind of event.
pub const Entry = struct {
    ruleset: u32,
    first: []const u8, // the message up to the eid
    second: []const u8, // from behind the txn up to the seed
    last: []const u8, // behind the attributes
};

/// A kind of event, and who sees it.
pub const Kind = struct { domain: []const u8, name: []const u8, entries: []Entry };

/// Everything that is the same for the events of one kind to one pico, until its rulesets change.
///
/// What its rules raise is added when they first do.
pub const Recipe = struct {
    data: std.ArrayList([]u8), // what all slices here are of
    rulesets: std.ArrayList(guest.Ruleset),
    kinds: std.ArrayList(Kind), // the event itself first
    core_first: []const u8, // up to the link `pre`
    code: []const u8,
    core_second: []const u8, // from behind `fuel` up to the link `post`
    core_last: []const u8, // behind `writes`
    input_first: []const u8, // up to the eid
    input_second: []const u8, // from behind the eid up to the attributes
    input_last: []const u8, // behind them

    pub fn make(given: []const u8) bytes.Error!*Recipe {
        const recipe = try gpa.create(Recipe);
        recipe.data = .empty;
        recipe.rulesets = .empty;
        recipe.kinds = .empty;
        errdefer recipe.free();
        var reader = try recipe.take(given);
        inline for (.{
            "core_first",  "code",         "core_second", "core_last",
            "input_first", "input_second", "input_last",
        }) |name| @field(recipe, name) = reader.part();
        try recipe.read(&reader);
        return recipe;
    }

    /// A kind of event that rules raise.
    pub fn add(self: *Recipe, given: []const u8) bytes.Error!void {
        var reader = try self.take(given);
        try self.read(&reader);
    }

    fn take(self: *Recipe, given: []const u8) bytes.Error!Reader {
        const data = try gpa.dupe(u8, given);
        errdefer gpa.free(data);
        try self.data.append(gpa, data);
        return .{ .data = data };
    }

    /// Rulesets that are new here, and a kind of event.
    fn read(self: *Recipe, reader: *Reader) bytes.Error!void {
        for (0..reader.word()) |_| try self.rulesets.append(gpa, .{
            .prepared = @ptrFromInt(@as(usize, @intCast(reader.long()))),
            .rid = reader.part(),
            .entities = reader.part(),
            .selects = reader.part(),
        });
        const domain = reader.part();
        const name = reader.part();
        const entries = try gpa.alloc(Entry, reader.word());
        errdefer gpa.free(entries);
        for (entries) |*entry| entry.* = .{
            .ruleset = @intCast(reader.word()),
            .first = reader.part(),
            .second = reader.part(),
            .last = reader.part(),
        };
        try self.kinds.append(gpa, .{ .domain = domain, .name = name, .entries = entries });
    }

    pub fn find(self: *const Recipe, domain: []const u8, name: []const u8) ?*const Kind {
        for (self.kinds.items) |*kind| {
            const is_it = std.mem.eql(u8, kind.name, name) and std.mem.eql(u8, kind.domain, domain);
            if (is_it) return kind;
        }
        return null;
    }

    pub fn free(self: *Recipe) void {
        for (self.kinds.items) |kind| gpa.free(kind.entries);
        for (self.data.items) |data| gpa.free(data);
        self.kinds.deinit(gpa);
        self.rulesets.deinit(gpa);
        self.data.deinit(gpa);
        gpa.destroy(self);
    }
};
