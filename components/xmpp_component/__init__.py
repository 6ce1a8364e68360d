"""What the components that come with the server have in common: link, settings, logging, and how they run."""
