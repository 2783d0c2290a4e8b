"""The KRL compiler: syntax, resolve, lower, emit, link, in that order."""
