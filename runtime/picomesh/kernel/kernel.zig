//! The loop of an event in machine code: what Python calls (`library.py`).
//!
//! Built with bounds and overflows checked: a mistake in here ends the process, which loses nothing
//! that was acknowledged, and never reads or writes what it should not.

const std = @import("std");
const bytes = @import("bytes.zig");
const event = @import("event.zig");
const guest = @import("guest.zig");
const hash = @import("hash.zig");
const pack = @import("pack.zig");
const past = @import("past.zig");
const seal = @import("seal.zig");
const tree = @import("tree.zig");
const value = @import("value.zig");

/// Python counts up with every change of what crosses here.
const interface = 10;

export fn kernel_interface() u32 {
    return interface;
}

export fn kernel_new(
    engine: *anyopaque,
    library: *const guest.Library,
    limits: *const guest.Limits,
    source: tree.Source,
) ?*event.Machine {
    return event.Machine.make(engine, library, limits, source) catch null;
}

export fn kernel_delete(machine: *event.Machine) void {
    machine.free();
}

/// What host functions get as their environment.
export fn kernel_environment(machine: *event.Machine) *anyopaque {
    return &machine.run;
}

/// The address of a host function: get, put, emit, delete, otherwise one that gives up.
export fn kernel_host_function(index: u32) *const anyopaque {
    return switch (index) {
        0 => @ptrCast(&guest.hostGet),
        1 => @ptrCast(&guest.hostPut),
        2 => @ptrCast(&guest.hostEmit),
        3 => @ptrCast(&guest.hostDelete),
        else => @ptrCast(&guest.hostOther),
    };
}

/// A block that the source was asked for.
export fn kernel_give(machine: *event.Machine, data: [*]const u8, count: usize) u8 {
    machine.forest.given.add(data[0..count]) catch return 0;
    return 1;
}

export fn kernel_recipe_new(data: [*]const u8, count: usize) ?*event.Recipe {
    return event.Recipe.make(data[0..count]) catch null;
}

/// Adds a kind of event that rules raise; 0 when there is no memory for it.
export fn kernel_recipe_add(recipe: *event.Recipe, data: [*]const u8, count: usize) u8 {
    recipe.add(data[0..count]) catch return 0;
    return 1;
}

export fn kernel_recipe_delete(recipe: *event.Recipe) void {
    recipe.free();
}

export fn kernel_event(
    machine: *event.Machine,
    recipe: *const event.Recipe,
    given: *event.Given,
    eid: [*]const u8,
    attrs: [*]const u8,
    input: [*]const u8,
) usize {
    return machine.event(recipe, given, eid, attrs, input);
}

export fn kernel_again(
    machine: *event.Machine,
    recipe: *const event.Recipe,
    given: *event.Given,
    rows: [*]const u8,
    count: usize,
    is_net: u8,
) usize {
    return machine.again(recipe, given, rows[0..count], is_net != 0);
}

export fn kernel_query(
    machine: *event.Machine,
    recipe: *const event.Recipe,
    given: *event.Given,
    message: [*]const u8,
    count: usize,
) usize {
    return machine.query(recipe, given, message[0..count]);
}

export fn kernel_many_bytes(machine: *const event.Machine) usize {
    return machine.many.len;
}

/// Forgets all blocks.
export fn kernel_forget(machine: *event.Machine) void {
    machine.forest.clear();
}

/// What is kept between the groups of one store.
const Group = struct {
    sealing: seal.Sealing = .{},
    packer: pack.Packer = .{},
    limits: pack.Limits,
    out: bytes.Buffer = .{},
};

export fn kernel_group_new(limits: *const pack.Limits) ?*Group {
    const group = bytes.gpa.create(Group) catch return null;
    group.* = .{ .limits = limits.* };
    return group;
}

export fn kernel_group_delete(group: *Group) void {
    group.sealing.free();
    group.packer.free();
    group.out.free();
    bytes.gpa.destroy(group);
}

export fn kernel_group_out(group: *const Group) [*]const u8 {
    return group.out.data.ptr;
}

export fn kernel_set_sender(
    group: *Group,
    before: [*]const u8,
    before_bytes: usize,
    between: [*]const u8,
    between_bytes: usize,
) u8 {
    group.sealing.setSender(before[0..before_bytes], between[0..between_bytes]) catch return 0;
    return 1;
}

/// The length of what is to be signed, or 0.
export fn kernel_seal_begin(group: *Group, rows: [*]const u8, count: usize) usize {
    const is_done = group.sealing.begin(rows[0..count], &group.out) catch return 0;
    return if (is_done) group.out.len else 0;
}

/// The length of the envelopes.
export fn kernel_seal_finish(group: *Group, signature: [*]const u8, count: usize) usize {
    group.sealing.finish(signature[0..count], &group.out) catch return 0;
    return group.out.len;
}

/// The length of what `pack.zig` makes of a group, or 0.
export fn kernel_pack(
    group: *Group,
    receipts: [*]const u8,
    receipts_bytes: usize,
    rest: [*]const u8,
    rest_bytes: usize,
) usize {
    const given = receipts[0..receipts_bytes];
    group.packer.make(given, rest[0..rest_bytes], &group.limits, &group.out) catch return 0;
    return group.out.len;
}

// For the tests: hashes and what the readers believe, to compare with Python's, and what is held.

export fn kernel_is_message(data: [*]const u8, count: usize) u8 {
    _ = value.readMessage(data[0..count]) catch return 0;
    return 1;
}

export fn kernel_is_list_of_rules(data: [*]const u8, count: usize) u8 {
    return @intFromBool(value.isListOfRules(data[0..count]));
}

export fn kernel_digest(data: [*]const u8, count: usize, out: *[32]u8) void {
    hash.digest(data[0..count], out);
}

export fn kernel_held_bytes(machine: *const event.Machine) usize {
    return machine.forest.held_bytes;
}

export fn kernel_is_node(data: [*]const u8, count: usize) u8 {
    return @intFromBool(tree.isNode(data[0..count]));
}

export fn kernel_opener_new() ?*past.Opener {
    const opener = bytes.gpa.create(past.Opener) catch return null;
    opener.* = .{};
    return opener;
}

/// What was made of the last pack.
export fn kernel_opener_out(opener: *const past.Opener) [*]const u8 {
    return opener.out.data.ptr;
}

/// The length of what `past.zig` makes of a pack; 0 when Python has to read it.
export fn kernel_open(opener: *past.Opener, data: [*]const u8, count: usize) usize {
    opener.open(data[0..count]) catch return 0;
    return opener.out.len;
}
