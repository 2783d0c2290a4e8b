//! From an event to its core: the run, the writes in the state tree, the blocks of the record.
//!
//! What is joined here is what `picomesh.engine.perform` joins, in the order of the format pages
//! (receipt.md §2, §5, §7); pieces that are the same for all events of a kind come with a recipe.
//! The result is one packet of bytes, whose layout `packet.py` reads.

const std = @import("std");
const bytes = @import("bytes.zig");
const guest = @import("guest.zig");
const net = @import("net.zig");
const recipes = @import("recipe.zig");
const shape = @import("shape.zig");
const tree = @import("tree.zig");
const value = @import("value.zig");

const gpa = bytes.gpa;
const Buffer = bytes.Buffer;
const Digest = bytes.Digest;
const Reader = bytes.Reader;
const Entry = recipes.Entry;
pub const Recipe = recipes.Recipe;

/// What decides one event besides its recipe. Python writes it; lengths are of the texts beside it.
pub const Given = extern struct {
    fuel_limit: i64,
    time_ms: i64,
    seq: u64,
    has_prev: u64,
    eid_bytes: u64,
    attrs_bytes: u64,
    input_bytes: u64, // 0: the input's block is to be made here
    prev: Digest,
    pre: Digest,
    seed: Digest,
    out: u64, // where the packet lies
};

const header_bytes = 128;
/// Places of the header, each a number of 4 bytes unless it says more.
pub const At = struct {
    pub const status = 0;
    pub const flags = 4;
    pub const fuel = 8; // 8 bytes
    pub const post = 16; // 32 bytes
    pub const core_digest = 48; // 32 bytes
    pub const core = 80; // where a section begins, and its length or number of rows
    pub const record = 88;
    pub const writes = 96;
    pub const nodes = 104;
    pub const effects = 112;
    pub const answers = 120;
};
const status_ran = 1; // the tree is left to Python, and so is the core
const status_whole = 2;
const status_wanted = 3; // a kind of event that the recipe has not: its domain and name follow
const flag_logs = 1;
const flag_sends = 2; // something has to follow before another event runs

pub const nothing = 0xffffffff; // in the place of a value's length: none is left there

const empty_list = "\x80";
const schedule = "/_schedule";

pub const Machine = struct {
    run: guest.Run,
    forest: tree.Forest = .{},
    library: guest.Library,
    limits: guest.Limits,
    out: Buffer = .{},
    many: Buffer = .{},
    core: Buffer = .{},
    outbox: Buffer = .{},
    record: Buffer = .{},
    writes: std.ArrayList(tree.Write) = .empty,
    answers: std.ArrayList(Answer) = .empty,
    before: [tree.changed_max]Digest = undefined,
    net: net.Net = .{},
    entered: u64 = 0,
    empty_list_digest: Digest,

    pub fn make(
        engine: *anyopaque,
        library: *const guest.Library,
        limits: *const guest.Limits,
        source: tree.Source,
    ) bytes.Error!*Machine {
        const self = try gpa.create(Machine);
        self.* = .{
            .run = undefined,
            .library = library.*,
            .limits = limits.*,
            .empty_list_digest = bytes.digestOf(empty_list),
        };
        self.forest.source = source;
        self.run = .{
            .library = &self.library,
            .limits = &self.limits,
            .engine = engine,
            .forest = &self.forest,
        };
        return self;
    }

    pub fn free(self: *Machine) void {
        self.forest.clear();
        self.forest.nodes.deinit(gpa);
        for ([_]*Buffer{
            &self.forest.given, &self.run.kept, &self.run.message, &self.out, &self.many,
            &self.core,         &self.outbox,   &self.record,
        }) |buffer| buffer.free();
        self.net.free();
        self.run.effects.deinit(gpa);
        self.run.raised.deinit(gpa);
        self.writes.deinit(gpa);
        self.answers.deinit(gpa);
        gpa.destroy(self);
    }

    const Answer = struct { ruleset: u32, said: guest.Kept };

    /// Runs one event. The length of its packet in `out`, or 0 when it is left to Python.
    pub fn event(
        self: *Machine,
        recipe: *const Recipe,
        given: *Given,
        eid: [*]const u8,
        attrs: [*]const u8,
        input: [*]const u8,
    ) usize {
        const texts: Texts = .{
            .eid = eid[0..@intCast(given.eid_bytes)],
            .attrs = attrs[0..@intCast(given.attrs_bytes)],
            .input = input[0..@intCast(given.input_bytes)],
        };
        self.perform(recipe, given, &texts) catch return 0;
        given.out = @intFromPtr(self.out.data.ptr);
        return self.out.len;
    }

    /// Runs events of one kind, one behind the other, as long as each comes to its core. One that
    /// has none yet is run for the first time; the last of these may have sent something.
    ///
    /// A row is time, seed, the digests of input and core, the lengths of what follows, and eid,
    /// attributes, input and core; who has seen those two has hashed them. How many did; `given` is
    /// then what the next one would be given, and `many` has their packets, each behind its length.
    ///
    /// With `is_net` it has one packet, of what they come to together: the newest values and nodes,
    /// and what these were at first. That is there only when all rows come to their cores.
    pub fn again(
        self: *Machine,
        recipe: *const Recipe,
        given: *Given,
        rows: []const u8,
        is_net: bool,
    ) usize {
        var reader: Reader = .{ .data = rows };
        var count: usize = 0;
        self.many.reset();
        self.net.begin(is_net);
        defer self.net.is_on = false;
        self.forest.tidy(); // and then not before what the call has changed is told
        self.forest.call += 1;
        while (reader.at < rows.len) : (count += 1) {
            given.time_ms = @bitCast(reader.long());
            given.seed = reader.take(32)[0..32].*;
            const digests = [2]*const Digest{ reader.take(32)[0..32], reader.take(32)[0..32] };
            const sizes = [4]usize{ reader.word(), reader.word(), reader.word(), reader.word() };
            const texts: Texts = .{
                .eid = reader.take(sizes[0]),
                .attrs = reader.take(sizes[1]),
                .input = reader.take(sizes[2]),
                .core = reader.take(sizes[3]),
                .input_digest = digests[0],
                .core_digest = digests[1],
            };
            const core = texts.core;
            self.perform(recipe, given, &texts) catch break;
            var packet: Reader = .{ .data = self.out.items() };
            if (packet.word() != status_whole) break;
            if (core.len > 0 and !std.mem.eql(u8, self.core.items(), core)) break;
            (if (is_net) self.net.note(self.writes.items) else self.keepPacket()) catch break;
            const is_followed = packet.word() & flag_sends != 0;
            given.seq += 1;
            given.has_prev = 1;
            given.prev = self.out.data[At.core_digest..][0..32].*;
            given.pre = self.out.data[At.post..][0..32].*;
            if (core.len == 0 and is_followed) {
                count += 1;
                break;
            }
        }
        if (is_net and count > 0 and reader.at == rows.len) {
            self.putNet(&given.pre) catch self.many.reset();
        }
        given.out = @intFromPtr(self.many.data.ptr);
        return count;
    }

    fn putNet(self: *Machine, root: *const Digest) tree.Failure!void {
        const out = &self.out;
        out.reset();
        @memset(try out.extend(header_bytes), 0);
        out.setWord(At.status, status_whole);
        self.section(At.writes, 0);
        out.setWord(At.writes + 4, try self.net.putWrites(&self.forest, root, out));
        self.section(At.nodes, 0);
        out.setWord(At.nodes + 4, try self.forest.tellChanged(root, out, net.addNode));
        try self.keepPacket();
    }

    fn keepPacket(self: *Machine) bytes.Error!void {
        try self.many.addWord(self.out.len);
        try self.many.add(self.out.items());
    }

    /// Asks the recipe's one ruleset. The length of fuel and answer in `out`, or 0.
    pub fn query(
        self: *Machine,
        recipe: *const Recipe,
        given: *Given,
        message: []const u8,
    ) usize {
        self.ask(recipe, given, message) catch return 0;
        given.out = @intFromPtr(self.out.data.ptr);
        return self.out.len;
    }

    fn ask(
        self: *Machine,
        recipe: *const Recipe,
        given: *const Given,
        message: []const u8,
    ) guest.Left!void {
        self.forest.tidy();
        self.run.begin(&given.pre, given.fuel_limit, true);
        const store = try self.run.open();
        defer self.run.close(store);
        try self.run.charge(self.limits.dispatch_fuel);
        try self.run.turnTo(&recipe.rulesets.items[0], 0);
        self.run.message.reset();
        try self.run.message.add(message);
        const said = try self.run.enter();
        const fuel = given.fuel_limit - self.run.fuel;
        self.out.reset();
        std.mem.writeInt(i64, (try self.out.extend(8))[0..8], fuel, .little);
        try self.out.add(self.run.bytesOf(said));
    }

    const Texts = struct {
        eid: []const u8,
        attrs: []const u8,
        input: []const u8,
        core: []const u8 = "", // as it was recorded
        input_digest: ?*const Digest = null, // of these two, if they are known
        core_digest: ?*const Digest = null,
    };

    fn perform(
        self: *Machine,
        recipe: *const Recipe,
        given: *const Given,
        texts: *const Texts,
    ) guest.Left!void {
        if (!self.net.is_on) self.forest.tidy();
        self.run.begin(&given.pre, given.fuel_limit, false);
        if (!try self.enterAll(recipe, given, texts)) return;
        try self.findWrites();
        var post = given.pre;
        const changed = self.applyWrites(&post) catch |failure| switch (failure) {
            error.NotHere => return self.putOut(given, texts, status_ran, &post, 0),
            error.OutOfMemory => return error.Left,
        };
        try self.makeRecord(recipe, texts);
        try self.makeCore(recipe, given, &post);
        try self.putOut(given, texts, status_whole, &post, changed);
    }

    /// The event and all that is raised, first in first out. False when a kind is wanted.
    fn enterAll(
        self: *Machine,
        recipe: *const Recipe,
        given: *const Given,
        texts: *const Texts,
    ) guest.Left!bool {
        const store = try self.run.open();
        defer self.run.close(store);
        self.answers.clearRetainingCapacity();
        self.entered = 0;
        for (recipe.kinds.items[0].entries) |*entry| {
            try self.enter(recipe, entry, given, texts.eid, texts.attrs);
        }
        var at: usize = 0;
        while (at < self.run.raised.items.len) : (at += 1) {
            const raised = self.run.raised.items[at];
            const domain = self.run.bytesOf(raised.domain);
            const name = self.run.bytesOf(raised.name);
            const kind = recipe.find(domain, name) orelse {
                try self.putWanted(domain, name);
                return false;
            };
            for (kind.entries) |*entry| {
                if (raised.only) |only| {
                    const rid = recipe.rulesets.items[entry.ruleset].rid;
                    if (!std.mem.eql(u8, self.run.bytesOf(only), rid)) continue;
                }
                try self.enter(recipe, entry, given, texts.eid, self.run.bytesOf(raised.attrs));
            }
        }
        return true;
    }

    fn enter(
        self: *Machine,
        recipe: *const Recipe,
        entry: *const Entry,
        given: *const Given,
        eid: []const u8,
        attrs: []const u8,
    ) guest.Left!void {
        try self.run.charge(self.limits.dispatch_fuel);
        try self.run.turnTo(&recipe.rulesets.items[entry.ruleset], entry.ruleset);
        try self.writeMessage(entry, given, eid, attrs);
        const said = try self.run.enter();
        if (!value.isListOfRules(self.run.bytesOf(said))) return error.Left;
        try self.answers.append(gpa, .{ .ruleset = entry.ruleset, .said = said });
    }

    fn putWanted(self: *Machine, domain: []const u8, name: []const u8) guest.Left!void {
        self.out.reset();
        try self.out.addWord(status_wanted);
        try self.out.addWord(domain.len);
        try self.out.add(domain);
        try self.out.addWord(name.len);
        try self.out.add(name);
    }

    /// What `handle` is given (module.md): its fields in the order of canonical CBOR.
    fn writeMessage(
        self: *Machine,
        entry: *const Entry,
        given: *const Given,
        eid: []const u8,
        attrs: []const u8,
    ) guest.Left!void {
        const message = &self.run.message;
        message.reset();
        try message.add(entry.first);
        try message.addText(eid);
        try message.add("\x63txn");
        try message.addText(eid);
        try message.add(entry.second);
        self.entered += 1;
        try message.add(&seedOf(&given.seed, self.entered));
        try message.add("\x64time");
        try message.addNumber(given.time_ms);
        try message.add("\x65attrs");
        try message.add(attrs);
        try message.add(entry.last);
    }

    /// The writes that change something, in order of their paths.
    fn findWrites(self: *Machine) guest.Left!void {
        self.writes.clearRetainingCapacity();
        for (self.run.writes[0..self.run.write_count]) |*written| {
            const path = self.run.path(written);
            const now = self.run.valueOf(written);
            const before = self.forest.get(&self.run.root, path) catch return error.Left;
            if (isSame(before, now)) continue;
            try self.writes.append(gpa, .{
                .path = path,
                .value = now,
                .digest = if (now) |data| bytes.digestOf(data) else @splat(0),
            });
        }
        std.mem.sortUnstable(tree.Write, self.writes.items, {}, isBefore); // no path comes twice
    }

    fn applyWrites(self: *Machine, root: *Digest) tree.Failure!usize {
        if (self.writes.items.len == 0) return 0;
        for (self.writes.items) |*write| {
            if (std.mem.endsWith(u8, write.path, schedule)) return error.NotHere; // an index of it
        }
        const writes = self.writes.items;
        return self.forest.replace(root, writes, &self.before) catch |failure| switch (failure) {
            error.NotHere => return shape.change(&self.forest, root, writes, &self.before),
            error.OutOfMemory => return failure,
        };
    }

    // The record: the input, and the outbox if there is one.

    fn makeRecord(self: *Machine, recipe: *const Recipe, texts: *const Texts) guest.Left!void {
        self.record.reset();
        const is_given = texts.input.len > 0;
        const input = if (is_given) texts.input else try self.makeInput(recipe, texts);
        const known = if (is_given) texts.input_digest else null;
        const digest = if (known) |it| it.* else bytes.digestOf(input);
        try self.record.addNamed(&digest, input);
        if (self.run.effects.items.len > 0) {
            try self.makeOutbox(recipe);
            const outbox = self.outbox.items();
            try self.record.addNamed(&bytes.digestOf(outbox), outbox);
        }
    }

    fn makeInput(self: *Machine, recipe: *const Recipe, texts: *const Texts) guest.Left![]const u8 {
        const out = &self.core; // which is made afterwards
        out.reset();
        try out.add(recipe.input_first);
        try out.addText(texts.eid);
        try out.add(recipe.input_second);
        try out.addOctets(texts.attrs);
        try out.add(recipe.input_last);
        return out.items();
    }

    fn makeOutbox(self: *Machine, recipe: *const Recipe) guest.Left!void {
        const out = &self.outbox;
        out.reset();
        var count: usize = 0;
        for (self.run.effects.items) |effect| count += @intFromBool(effect.kind != .log);
        try out.addHead(4, count);
        for (self.run.effects.items) |effect| {
            if (effect.kind == .log) continue;
            try out.addByte(0x83);
            try out.addText(if (effect.kind == .send) "send" else "directive");
            try out.addText(recipe.rulesets.items[effect.ruleset].rid);
            try out.addOctets(self.run.bytesOf(effect.message));
        }
    }

    fn makeCore(
        self: *Machine,
        recipe: *const Recipe,
        given: *const Given,
        post: *const Digest,
    ) guest.Left!void {
        const out = &self.core;
        const input = self.record.items()[0..32].*;
        out.reset();
        try out.add(recipe.core_first);
        try addName(out, bytes.block_prefix, &given.pre);
        try out.add("\x63seq");
        try out.addHead(0, given.seq);
        try out.add("\x64code");
        try out.add(recipe.code);
        try out.add("\x64fuel");
        try out.addNumber(given.fuel_limit - self.run.fuel);
        try out.add(recipe.core_second);
        try addName(out, bytes.block_prefix, post);
        try out.add("\x64prev");
        if (given.has_prev != 0) {
            try addName(out, bytes.block_link, &given.prev);
        } else try out.addByte(0xf6);
        try out.add("\x64seed");
        try out.addOctets(&given.seed);
        try out.add("\x64tape");
        try addName(out, bytes.block_link, &self.empty_list_digest);
        try out.add("\x64time");
        try out.addNumber(given.time_ms);
        try out.add("\x65event");
        try addName(out, bytes.block_link, &input);
        try out.add("\x66outbox");
        try addName(out, bytes.block_link, &self.outboxDigest());
        try out.add("\x66writes");
        try out.addHead(4, self.writes.items.len);
        for (self.writes.items) |write| {
            try out.addByte(0x82);
            try out.addOctets(write.path);
            if (write.value == null) {
                try out.addByte(0xf6);
            } else try addName(out, bytes.value_link, &write.digest);
        }
        try out.add(recipe.core_last);
    }

    fn outboxDigest(self: *Machine) Digest {
        var reader: Reader = .{ .data = self.record.items() };
        _ = reader.take(32);
        _ = reader.part();
        if (reader.at == self.record.len) return self.empty_list_digest;
        return reader.take(32)[0..32].*;
    }

    // The packet.

    fn putOut(
        self: *Machine,
        given: *const Given,
        texts: *const Texts,
        status: u32,
        post: *const Digest,
        changed: usize,
    ) guest.Left!void {
        const out = &self.out;
        out.reset();
        @memset(try out.extend(header_bytes), 0);
        out.setWord(At.status, status);
        std.mem.writeInt(i64, out.data[At.fuel..][0..8], given.fuel_limit - self.run.fuel, .little);
        @memcpy(out.data[At.post..][0..32], post);
        if (status == status_whole) {
            @memcpy(out.data[At.core_digest..][0..32], &self.coreDigest(texts));
            if (self.net.is_on) return;
            self.section(At.core, self.core.len);
            try out.add(self.core.items());
            self.section(At.record, if (self.run.effects.items.len > 0) 2 else 1);
            try out.add(self.record.items());
        }
        try self.putWrites();
        self.section(At.nodes, changed);
        var at = changed;
        while (at > 0) {
            at -= 1;
            const node = self.forest.changed[at];
            try out.add(&self.before[at]);
            try out.addNamed(&node.digest, node.block);
        }
        try self.putEffects();
        self.section(At.answers, self.answers.items.len);
        for (self.answers.items) |answer| {
            try out.addWord(answer.ruleset);
            try out.addWord(answer.said.len);
            try out.add(self.run.bytesOf(answer.said));
        }
    }

    fn coreDigest(self: *const Machine, texts: *const Texts) Digest {
        const core = self.core.items();
        if (texts.core_digest) |known| if (std.mem.eql(u8, core, texts.core)) return known.*;
        return bytes.digestOf(core);
    }

    /// Notes where a section begins and how many rows or bytes it has.
    fn section(self: *Machine, at: usize, count: usize) void {
        self.out.setWord(at, self.out.len);
        self.out.setWord(at + 4, count);
    }

    fn putWrites(self: *Machine) guest.Left!void {
        const out = &self.out;
        self.section(At.writes, self.writes.items.len);
        for (self.writes.items) |write| {
            try out.addWord(write.path.len);
            try out.add(write.path);
            try out.add(&write.digest);
            const data = write.value orelse {
                try out.addWord(nothing);
                continue;
            };
            try out.addWord(data.len);
            try out.add(data);
        }
    }

    fn putEffects(self: *Machine) guest.Left!void {
        const out = &self.out;
        self.section(At.effects, self.run.effects.items.len);
        var flags: u32 = 0;
        for (self.run.effects.items) |effect| {
            flags |= switch (effect.kind) {
                .directive => 0,
                .log => flag_logs,
                .send => flag_sends,
            };
            try out.addWord(@backingInt(effect.kind));
            try out.addWord(effect.ruleset);
            try out.addWord(effect.message.len);
            try out.add(self.run.bytesOf(effect.message));
        }
        out.setWord(At.flags, flags);
    }
};

fn isSame(before: ?[]const u8, now: ?[]const u8) bool {
    const found = before orelse return now == null;
    return std.mem.eql(u8, found, now orelse return false);
}

fn isBefore(_: void, a: tree.Write, b: tree.Write) bool {
    return std.mem.order(u8, a.path, b.path) == .lt;
}

fn addName(out: *Buffer, prefix: []const u8, digest: *const Digest) guest.Left!void {
    try out.add(prefix);
    try out.add(digest);
}

/// Each entry into a guest gets a seed of its own.
fn seedOf(seed: *const Digest, entered: u64) Digest {
    var data: [40]u8 = undefined;
    @memcpy(data[0..32], seed);
    std.mem.writeInt(u64, data[32..40], entered, .big);
    return bytes.digestOf(&data);
}
