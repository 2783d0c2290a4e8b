"""The record of a pico: blocks, hashes, receipts, the state tree and the rules of belief.

Knows bytes and nothing else: no KRL, no WASM engine, no clock, no file. A verifier can ship with
this package alone.
"""
