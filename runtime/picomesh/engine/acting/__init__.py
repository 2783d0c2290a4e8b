"""The acts of a ruleset on its pico, by kind: reading, changing, and children not yet born."""
