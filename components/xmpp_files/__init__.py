"""File transfer as an external component: HTTP upload (XEP-0363) and a SOCKS5 bytestream proxy (XEP-0065)."""
