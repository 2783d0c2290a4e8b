//! One guest by direct calls of libwasmtime: in, out, and the host functions that most events need.
//!
//! What the boundary means is said in `picomesh.sandbox.boundary`. Here stand the same checks, in
//! the same order, and only the way of a guest that keeps to them: whatever else happens (a trap,
//! no fuel, an import that is not here, an effect of another kind) ends the run as `Left`, and
//! Python runs the event again and decides what it comes to.

const std = @import("std");
const bytes = @import("bytes.zig");
const tree = @import("tree.zig");
const value = @import("value.zig");

const Buffer = bytes.Buffer;
const Digest = bytes.Digest;

pub const Left = error{ Left, OutOfMemory };

const Func = extern struct { words: [2]u64 };
const Global = extern struct { words: [3]u64 };
const Memory = extern struct { words: [3]u64 };
const Instance = extern struct { words: [2]u64 };
const Extern = extern struct {
    kind: u64,
    of: extern union { func: Func, global: Global, memory: Memory },
};
const Val = extern struct {
    kind: u64,
    of: extern union { i32: i32, i64: i64, wide: [3]u64 },
};
pub const Raw = extern union { i32: i32, i64: i64, wide: [2]u64 };

const kind_i32 = 0;
const kind_i64 = 1;
const trap_interrupt = 10;

/// The functions of libwasmtime, in the order in which Python gives their addresses.
pub const Library = extern struct {
    store_new: *const fn (*anyopaque, ?*anyopaque, ?*anyopaque) callconv(.c) ?*anyopaque,
    store_context: *const fn (*anyopaque) callconv(.c) *anyopaque,
    store_delete: *const fn (*anyopaque) callconv(.c) void,
    set_epoch_deadline: *const fn (*anyopaque, u64) callconv(.c) void,
    pre_instantiate: *const fn (
        *const anyopaque,
        *anyopaque,
        *Instance,
        *?*anyopaque,
    ) callconv(.c) ?*anyopaque,
    export_get: *const fn (
        *anyopaque,
        *const Instance,
        [*]const u8,
        usize,
        *Extern,
    ) callconv(.c) bool,
    memory_data: *const fn (*anyopaque, *const Memory) callconv(.c) [*]u8,
    memory_data_size: *const fn (*anyopaque, *const Memory) callconv(.c) usize,
    global_get: *const fn (*anyopaque, *const Global, *Val) callconv(.c) void,
    global_set: *const fn (*anyopaque, *const Global, *const Val) callconv(.c) ?*anyopaque,
    func_call: *const fn (
        *anyopaque,
        *const Func,
        [*]Raw,
        usize,
        *?*anyopaque,
    ) callconv(.c) ?*anyopaque,
    trap_new_code: *const fn (u8) callconv(.c) ?*anyopaque,
    trap_delete: *const fn (*anyopaque) callconv(.c) void,
    error_delete: *const fn (*anyopaque) callconv(.c) void,
};

/// Limits and prices of profile pico-1, as `pico_abi` has them.
pub const Limits = extern struct {
    path_bytes_max: u64,
    value_bytes_max: u64,
    effect_bytes_max: u64,
    effects_max: u64,
    event_bytes_max: u64,
    request_bytes_max: u64,
    answer_bytes_max: u64,
    stack_words_max: i64,
    dispatch_fuel: i64,
    start_fuel: i64,
    message_byte_fuel: i64,
    get_byte_fuel: i64,
    deadline: u64, // of an event, in ticks of the clock that kills it; 0 when there is none
};

const writes_max = 256; // of one event; more are left to Python

/// Bytes in `Run.kept`.
pub const Kept = struct { at: usize, len: usize };

/// What a guest wrote over the state before, or that it removed it.
pub const Written = struct { path: Kept, value: ?Kept };

pub const EffectKind = enum(u32) { directive, log, send };
pub const Effect = struct { kind: EffectKind, ruleset: u32, message: Kept };

/// What differs from one ruleset of a pico to the next.
pub const Ruleset = struct {
    prepared: *const anyopaque,
    rid: []const u8,
    entities: []const u8, // its part of the state, for `ent/`
    selects: []const u8, // the same for `select/`
};

/// An event that a rule raised: where its parts lie.
pub const Raised = struct { domain: Kept, name: Kept, attrs: Kept, only: ?Kept };

/// An instance of a ruleset, alive for one event and what it raises.
const Guest = struct {
    ruleset: u32,
    memory: Extern,
    realloc: Extern,
    fuel: Extern,
    stack: Extern,
    enter: Extern, // `handle`, or `query`
};

const guests_max = 64; // of one event, and so on: more are left to Python
const raised_max = 1024;

/// One event's run through its guests.
pub const Run = struct {
    library: *const Library,
    limits: *const Limits,
    engine: *anyopaque,
    forest: *tree.Forest,
    root: Digest = undefined,
    fuel: i64 = 0,
    kept: Buffer = .{}, // the bytes of what was written and emitted
    writes: [writes_max]Written = undefined,
    write_count: usize = 0,
    effects: std.ArrayList(Effect) = .empty,
    emitted: u64 = 0,
    raised: std.ArrayList(Raised) = .empty,
    message: Buffer = .{},
    context: *anyopaque = undefined,
    guests: [guests_max]Guest = undefined,
    guest_count: usize = 0,
    ruleset: *const Ruleset = undefined,
    guest: *Guest = undefined, // that runs now
    is_query: bool = false, // then it may change nothing
    is_allocating: bool = false,
    has_left: bool = false,

    pub fn begin(self: *Run, root: *const Digest, fuel_limit: i64, is_query: bool) void {
        self.root = root.*;
        self.is_query = is_query;
        self.fuel = fuel_limit;
        self.kept.reset();
        self.write_count = 0;
        self.effects.clearRetainingCapacity();
        self.raised.clearRetainingCapacity();
        self.guest_count = 0;
        self.emitted = 0;
        self.has_left = false;
    }

    pub fn open(self: *Run) Left!*anyopaque {
        const store = self.library.store_new(self.engine, null, null) orelse return error.Left;
        self.context = self.library.store_context(store);
        const deadline = self.limits.deadline;
        if (deadline > 0) self.library.set_epoch_deadline(self.context, deadline);
        return store;
    }

    pub fn close(self: *Run, store: *anyopaque) void {
        self.library.store_delete(store);
    }

    /// Takes fuel that there must be.
    pub fn charge(self: *Run, price: i64) Left!void {
        self.fuel -= price;
        if (self.fuel < 0) return error.Left;
    }

    /// The instance of a ruleset, a fresh one if it has none yet, runs next.
    pub fn turnTo(self: *Run, ruleset: *const Ruleset, index: u32) Left!void {
        self.ruleset = ruleset;
        for (self.guests[0..self.guest_count]) |*known| {
            if (known.ruleset == index) {
                self.guest = known;
                return;
            }
        }
        try self.charge(self.limits.start_fuel);
        if (self.guest_count == guests_max) return error.Left;
        self.guest = &self.guests[self.guest_count];
        self.guest.ruleset = index;
        try self.start(ruleset);
        self.guest_count += 1;
    }

    /// It is given the message; where its answer lies in `kept`.
    pub fn enter(self: *Run) Left!Kept {
        const count: i64 = @intCast(self.message.len);
        const limits = self.limits;
        const bytes_max = if (self.is_query) limits.request_bytes_max else limits.event_bytes_max;
        if (self.message.len > bytes_max) return error.Left;
        try self.charge(count * self.limits.message_byte_fuel);
        self.giveMeter();
        var values: [2]Raw = undefined;
        values[0] = .{ .i32 = @bitCast(try self.give(self.message.items())) };
        values[1] = .{ .i32 = @intCast(self.message.len) };
        try self.call(&self.guest.enter.of.func, &values);
        self.fuel = self.fuelLeft();
        if (self.fuel < 0) return error.Left;
        return self.lift(@bitCast(values[0].i32));
    }

    fn start(self: *Run, ruleset: *const Ruleset) Left!void {
        var instance: Instance = undefined;
        var trap: ?*anyopaque = null;
        const instantiate = self.library.pre_instantiate;
        const failure = instantiate(ruleset.prepared, self.context, &instance, &trap);
        if (failure != null or trap != null) return self.stopped(failure, trap);
        try self.find(&instance, "memory", &self.guest.memory);
        try self.find(&instance, "cabi_realloc", &self.guest.realloc);
        try self.find(&instance, "pico-1:fuel", &self.guest.fuel);
        try self.find(&instance, "pico-1:stack", &self.guest.stack);
        const name = if (self.is_query) "query" else "handle";
        try self.find(&instance, name, &self.guest.enter);
    }

    fn find(self: *Run, instance: *const Instance, name: []const u8, into: *Extern) Left!void {
        const is_there = self.library.export_get(self.context, instance, name.ptr, name.len, into);
        if (!is_there) return error.Left;
    }

    fn stopped(self: *Run, failure: ?*anyopaque, trap: ?*anyopaque) Left {
        if (failure) |found| self.library.error_delete(found);
        if (trap) |found| self.library.trap_delete(found);
        return error.Left;
    }

    fn call(self: *Run, function: *const Func, values: []Raw) Left!void {
        var trap: ?*anyopaque = null;
        const call_unchecked = self.library.func_call;
        const failure = call_unchecked(self.context, function, values.ptr, values.len, &trap);
        if (failure != null or trap != null) return self.stopped(failure, trap);
        if (self.has_left) return error.Left;
    }

    fn giveMeter(self: *Run) void {
        const fuel: Val = .{ .kind = kind_i64, .of = .{ .i64 = self.fuel } };
        _ = self.library.global_set(self.context, &self.guest.fuel.of.global, &fuel);
        const words: i32 = @intCast(self.limits.stack_words_max);
        const stack: Val = .{ .kind = kind_i32, .of = .{ .i32 = words } };
        _ = self.library.global_set(self.context, &self.guest.stack.of.global, &stack);
    }

    fn fuelLeft(self: *Run) i64 {
        var fuel: Val = undefined;
        self.library.global_get(self.context, &self.guest.fuel.of.global, &fuel);
        return fuel.of.i64;
    }

    fn setFuel(self: *Run, left: i64) void {
        const fuel: Val = .{ .kind = kind_i64, .of = .{ .i64 = left } };
        _ = self.library.global_set(self.context, &self.guest.fuel.of.global, &fuel);
    }

    // The guest's memory: it can have grown since the last look.

    fn guestMemory(self: *Run) []u8 {
        const size = self.library.memory_data_size(self.context, &self.guest.memory.of.memory);
        return self.library.memory_data(self.context, &self.guest.memory.of.memory)[0..size];
    }

    fn slice(self: *Run, address: u32, count: u32, count_max: u64) Left![]u8 {
        if (count > count_max) return error.Left;
        const memory = self.guestMemory();
        if (@as(u64, address) + count > memory.len) return error.Left;
        return memory[address..][0..count];
    }

    /// Copies bytes into the guest, whose meter stays where it is; returns their address.
    fn give(self: *Run, data: []const u8) Left!u32 {
        var values: [4]Raw = undefined;
        values[0] = .{ .i32 = 0 };
        values[1] = .{ .i32 = 0 };
        values[2] = .{ .i32 = 1 };
        values[3] = .{ .i32 = @intCast(data.len) };
        self.is_allocating = true;
        defer self.is_allocating = false;
        try self.call(&self.guest.realloc.of.func, &values);
        const address: u32 = @bitCast(values[0].i32);
        @memcpy(try self.slice(address, @intCast(data.len), data.len), data);
        return address;
    }

    fn lift(self: *Run, area_address: u32) Left!Kept {
        if (area_address & 3 != 0) return error.Left;
        const area = try self.slice(area_address, 8, 8);
        const address = std.mem.readInt(u32, area[0..4], .little);
        const count = std.mem.readInt(u32, area[4..8], .little);
        try self.charge(count * self.limits.message_byte_fuel);
        const found = try self.slice(address, count, self.limits.answer_bytes_max);
        const at = self.kept.len;
        try self.kept.add(found);
        return .{ .at = at, .len = count };
    }

    // What the guest wrote.

    pub fn bytesOf(self: *const Run, kept: Kept) []const u8 {
        return self.kept.items()[kept.at..][0..kept.len];
    }

    pub fn path(self: *const Run, write: *const Written) []const u8 {
        return self.bytesOf(write.path);
    }

    pub fn valueOf(self: *const Run, write: *const Written) ?[]const u8 {
        return self.bytesOf(write.value orelse return null);
    }

    fn written(self: *Run, full: []const u8) ?*Written {
        for (self.writes[0..self.write_count]) |*write| {
            if (std.mem.eql(u8, self.path(write), full)) return write;
        }
        return null;
    }

    /// The guest's path as it is in the pico's state, at the end of `kept`.
    fn keepPath(self: *Run, given: []const u8) Left!Kept {
        const space = if (std.mem.startsWith(u8, given, "ent/"))
            self.ruleset.entities
        else if (std.mem.startsWith(u8, given, "select/"))
            self.ruleset.selects
        else
            return error.Left;
        const rest = given[std.mem.indexOfScalar(u8, given, '/').? + 1 ..];
        const at = self.kept.len;
        try self.kept.add(space);
        try self.kept.add(rest);
        return .{ .at = at, .len = space.len + rest.len };
    }

    // The host functions.

    fn get(self: *Run, values: [*]Raw) Left!void {
        const area: u32 = @bitCast(values[2].i32);
        const kept_before = self.kept.len;
        const place = try self.keepPath(try self.slice(
            @bitCast(values[0].i32),
            @bitCast(values[1].i32),
            self.limits.path_bytes_max,
        ));
        defer self.kept.len = kept_before;
        const full = self.bytesOf(place);
        const found: ?[]const u8 = if (self.written(full)) |write|
            self.valueOf(write)
        else
            self.forest.get(&self.root, full) catch return error.Left;
        if (area & 3 != 0) return error.Left;
        (try self.slice(area, 1, 1))[0] = @intFromBool(found != null);
        const data = found orelse return;
        const price = @as(i64, @intCast(data.len)) * self.limits.get_byte_fuel;
        const fuel = self.fuelLeft() - price;
        self.setFuel(fuel);
        if (fuel < 0) return error.Left;
        const address = try self.give(data);
        const words = try self.slice(area, 12, 12);
        std.mem.writeInt(u32, words[4..8], address, .little);
        std.mem.writeInt(u32, words[8..12], @intCast(data.len), .little);
    }

    fn put(self: *Run, values: [*]Raw) Left!void {
        const place = try self.keepPath(try self.slice(
            @bitCast(values[0].i32),
            @bitCast(values[1].i32),
            self.limits.path_bytes_max,
        ));
        const at = self.kept.len;
        const data = try self.slice(
            @bitCast(values[2].i32),
            @bitCast(values[3].i32),
            self.limits.value_bytes_max,
        );
        try self.kept.add(data);
        try self.keepWrite(.{ .path = place, .value = .{ .at = at, .len = data.len } });
    }

    fn keepWrite(self: *Run, write: Written) Left!void {
        if (self.is_query) return error.Left;
        if (self.written(self.path(&write))) |before| {
            before.* = write;
            return;
        }
        if (self.write_count == writes_max) return error.Left;
        self.writes[self.write_count] = write;
        self.write_count += 1;
    }

    fn delete(self: *Run, values: [*]Raw) Left!void {
        const place = try self.keepPath(try self.slice(
            @bitCast(values[0].i32),
            @bitCast(values[1].i32),
            self.limits.path_bytes_max,
        ));
        try self.keepWrite(.{ .path = place, .value = null });
    }

    fn emit(self: *Run, values: [*]Raw) Left!void {
        if (self.is_query) return error.Left;
        const data = try self.slice(
            @bitCast(values[0].i32),
            @bitCast(values[1].i32),
            self.limits.effect_bytes_max,
        );
        self.emitted += 1;
        if (self.emitted > self.limits.effects_max) return error.Left;
        const message = value.readMessage(data) catch return error.Left;
        if (std.mem.eql(u8, message.kind, "raise")) return self.raise(&message);
        const kind = kindOf(&message) orelse return error.Left;
        const effect: Effect = .{
            .kind = kind,
            .ruleset = self.guest.ruleset,
            .message = try self.keep(data),
        };
        try self.effects.append(bytes.gpa, effect);
    }

    fn raise(self: *Run, message: *const value.Message) Left!void {
        if (self.raised.items.len == raised_max) return error.Left;
        if (!message.is_for_all and message.only == null) return error.Left;
        const event: Raised = .{
            .domain = try self.keep(message.domain orelse return error.Left),
            .name = try self.keep(message.name orelse return error.Left),
            .attrs = try self.keep(message.attrs orelse return error.Left),
            .only = if (message.only) |rid| try self.keep(rid) else null,
        };
        try self.raised.append(bytes.gpa, event);
    }

    fn keep(self: *Run, data: []const u8) Left!Kept {
        const at = self.kept.len;
        try self.kept.add(data);
        return .{ .at = at, .len = data.len };
    }

    /// Answers a call of the guest: null, or the trap that ends it.
    fn host(self: *Run, values: [*]Raw, function: *const fn (*Run, [*]Raw) Left!void) ?*anyopaque {
        if (!self.is_allocating and !self.has_left) {
            if (function(self, values)) return null else |_| {}
        }
        self.has_left = true;
        return self.library.trap_new_code(trap_interrupt);
    }
};

fn kindOf(message: *const value.Message) ?EffectKind {
    if (std.mem.eql(u8, message.kind, "directive")) return .directive;
    const is_log = message.has_level and message.has_message and message.has_value;
    if (std.mem.eql(u8, message.kind, "log") and is_log) return .log;
    if (std.mem.eql(u8, message.kind, "send") and message.eci != null) return .send;
    return null;
}

// As C calls them: (environment, caller, arguments, their number) -> a trap or null.

pub fn hostGet(run: *Run, _: *anyopaque, values: [*]Raw, _: usize) callconv(.c) ?*anyopaque {
    return run.host(values, Run.get);
}

pub fn hostPut(run: *Run, _: *anyopaque, values: [*]Raw, _: usize) callconv(.c) ?*anyopaque {
    return run.host(values, Run.put);
}

pub fn hostDelete(run: *Run, _: *anyopaque, values: [*]Raw, _: usize) callconv(.c) ?*anyopaque {
    return run.host(values, Run.delete);
}

pub fn hostEmit(run: *Run, _: *anyopaque, values: [*]Raw, _: usize) callconv(.c) ?*anyopaque {
    return run.host(values, Run.emit);
}

/// All other imports: not here.
pub fn hostOther(run: *Run, _: *anyopaque, _: [*]Raw, _: usize) callconv(.c) ?*anyopaque {
    run.has_left = true;
    return run.library.trap_new_code(trap_interrupt);
}
