"""The names of the backends, here without importing the WASM engine; a test compares the lists."""

BACKENDS = ("cranelift", "cranelift-none", "pulley", "winch")
