"""The load generator: thousands of client sessions in one thread, checking all that they receive."""
