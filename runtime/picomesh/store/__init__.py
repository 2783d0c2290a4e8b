"""What an engine keeps on disk: SQLite in WAL mode, one writer, nothing acknowledged is lost."""
