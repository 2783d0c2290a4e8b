"""The WASM engine behind an interface: the only package that imports wasmtime.

`interface` says what a transition needs; `machine` gives it with wasmtime's plain Python API.
A faster path can take its place, and the plain one stays as what it is compared with.
"""
