"""The network disk: folders of files for accounts and rooms, by ad-hoc commands (XEP-0050) and on a page."""
