"""One module per library, all with the same job in and the same measurement out: see protocol.py."""
