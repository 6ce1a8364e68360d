"""RFC 8555: certificates that a CA issues and renews by itself; `plan` says which, `issuing` gets them, in a child."""
