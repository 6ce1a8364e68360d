"""XML for streams: scanner, element tree, writer."""
