"""What the benches share: two engines as processes that answer the same requests, side by side."""
