"""The loop of an event in machine code: instance, host functions, state tree, receipt's core.

What an event comes to is decided by `picomesh.transition` and `picomesh.engine.perform`. Most
events take the same way through them, and here that way stands once more in Zig, from the event's
bytes to the core's. It knows no other way: whatever it meets besides (a trap, an import that it has
not, a path that is new), it gives up, having changed nothing, and Python runs the event. So it
decides nothing, and tests/kernel compares what both come to.

Order of the files: hash.zig, bytes.zig, value.zig, tree.zig, shape.zig, guest.zig, recipe.zig,
net.zig, event.zig for an event; seal.zig, pack.zig at the end of a group; past.zig for packs that
are opened again, by whoever replays a history; kernel.zig, what is exported. Then library.py, which
loads it and runs events, with rows.py for what goes in and packet.py for what comes out; group.py;
opener.py; parts.py for what all of them read and write. `build.py` makes the library with the
compiler that makes the guest library. Where there is none for a system, everything takes Python's
way.
"""
