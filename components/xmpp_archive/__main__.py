"""`python -m components.xmpp_archive`."""

from components.xmpp_archive.main import main

main()
