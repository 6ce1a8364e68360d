"""The side-by-side benchmark: this server, Prosody and ejabberd under the same load on loopback."""
