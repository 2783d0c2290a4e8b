"""The tables of a store (docs/formats/history.md §2) and their version.

Everything that a receipt commits to is a block under its hash, or the receipt itself. The rest is
what waits: accepted events, and the answers already found for them, each with a hash of its row.
"""

from __future__ import annotations

import sqlite3

from picomesh.store.errors import StoreError

# 1: first form; 2: an index of channels, deliveries, deleted picos; 3: packs
SCHEMA_VERSION = 3

_PACKS = """
CREATE TABLE pack (
    pack INTEGER PRIMARY KEY,
    names BLOB NOT NULL,
    data BLOB NOT NULL,
    nodes BLOB NOT NULL
);
CREATE TABLE packed (
    pico TEXT NOT NULL,
    seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    PRIMARY KEY (pico, seq)
);
"""
_TABLES = f"""
CREATE TABLE block (
    cid BLOB NOT NULL PRIMARY KEY,
    data BLOB NOT NULL
);
CREATE TABLE pico (
    pico TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    head INTEGER NOT NULL
);
CREATE INDEX pico_name ON pico (name);
CREATE TABLE receipt (
    pico TEXT NOT NULL,
    seq INTEGER NOT NULL,
    core BLOB NOT NULL,
    envelope BLOB NOT NULL,
    PRIMARY KEY (pico, seq)
);
{_PACKS}CREATE TABLE inbox (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    pico TEXT NOT NULL,
    event BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    seed BLOB NOT NULL,
    hash BLOB NOT NULL
);
CREATE TABLE answer (
    arrival INTEGER NOT NULL,
    position INTEGER NOT NULL,
    question BLOB NOT NULL,
    answer BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (arrival, position)
);
CREATE TABLE channel (
    eci TEXT NOT NULL PRIMARY KEY,
    pico TEXT NOT NULL
);
CREATE TABLE gone (
    pico TEXT NOT NULL PRIMARY KEY
);
CREATE TABLE timed (
    pico TEXT NOT NULL PRIMARY KEY
);
CREATE TABLE outgoing (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    pico TEXT NOT NULL,
    target TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    hash BLOB NOT NULL
);
CREATE TABLE seen (
    key TEXT NOT NULL PRIMARY KEY,
    eid TEXT NOT NULL,
    time_ms INTEGER NOT NULL
);
CREATE TABLE engine (
    public_key BLOB NOT NULL
);
"""


def prepare(database: sqlite3.Connection) -> None:
    """Makes the tables of a new store, or those that one lacks; refuses any other version."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version in (0, 2):
        tables = _TABLES if version == 0 else _PACKS
        database.executescript(f"BEGIN;{tables}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
    elif version != SCHEMA_VERSION:
        raise StoreError(
            f"this home has store version {version}, this picomesh reads {SCHEMA_VERSION}",
            "use the picomesh that wrote it, or another home",
        )
