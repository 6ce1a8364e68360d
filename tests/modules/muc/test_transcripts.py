"""The examples of XEP-0045, as conversations; in the order of its sections."""

from __future__ import annotations

from collections.abc import Callable

from tests.world import World

Told = Callable[[str], World]

MUC = "http://jabber.org/protocol/muc"
ID = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='*'/>"
CRONE, WICCA, HAG = "crone1@example.org/desktop", "wiccarocks@example.org/laptop", "hag66@example.org/pda"
ROOM = "coven@chat.example.org"


def presence(nick: str, to: str, x: str, attrs: str = "", before: str = "") -> str:
    """What somebody hears of a nickname."""
    return (
        f"{to} < <presence from='{ROOM}/{nick}' to='{to}'{attrs}>{before}<x xmlns='{MUC}#user'>{x}</x>{ID}</presence>\n"
    )


def message(sender: str, to: str, inside: str, attrs: str = " type='groupchat'") -> str:
    return f"{to} < <message from='{sender}' to='{to}'{attrs}>{inside}</message>\n"


SUBJECT = "<subject/>"
FOUNDED = f"""
{CRONE} connects
{WICCA} connects
{HAG} connects
{CRONE} > <presence to='{ROOM}/firstwitch'><x xmlns='{MUC}'/></presence>
{CRONE} > <iq type='set' id='create1' to='{ROOM}'>
    <query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>
"""
QUIET = f"{CRONE} < anything\n{WICCA} < anything\n{HAG} < anything\n"
ENTERED = (
    f"{FOUNDED}{WICCA} > <presence to='{ROOM}/secondwitch'><x xmlns='{MUC}'/></presence>\n"
    f"{HAG} > <presence to='{ROOM}/thirdwitch'><x xmlns='{MUC}'/></presence>\n{QUIET}"
)


def test_creating_an_instant_room(told: Told) -> None:
    # §10.1.1, §10.1.2
    told(
        f"{CRONE} connects\n{CRONE} > <presence to='{ROOM}/firstwitch'><x xmlns='{MUC}'/></presence>\n"
        + presence(
            "firstwitch",
            CRONE,
            f"<item affiliation='owner' role='moderator' jid='{CRONE}'/><status code='110'/><status code='201'/>",
        )
        + message(ROOM, CRONE, SUBJECT)
        + f"""
{CRONE} > <iq type='set' id='create1' to='{ROOM}'>
    <query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>
{CRONE} < <iq type='result' id='create1' from='{ROOM}' to='{CRONE}'/>
"""
    )


def test_entering(told: Told) -> None:
    # §7.2.1, §7.2.2, §7.2.15
    told(
        FOUNDED
        + QUIET
        + f"{HAG} > <presence id='n13mt3l' to='{ROOM}/thirdwitch'><x xmlns='{MUC}'/></presence>\n"
        + presence("firstwitch", HAG, "<item affiliation='owner' role='moderator'/>")
        + presence(
            "thirdwitch",
            HAG,
            f"<item affiliation='none' role='participant' jid='{HAG}'/><status code='110'/>",
            " id='n13mt3l'",
        )
        + message(ROOM, HAG, SUBJECT)
        + presence("thirdwitch", CRONE, f"<item affiliation='none' role='participant' jid='{HAG}'/>")
    )


def test_no_nickname_specified(told: Told) -> None:
    # §7.2.1, example 19
    told(
        f"""
{HAG} connects
{HAG} > <presence id='273hs51g' to='{ROOM}'><x xmlns='{MUC}'/></presence>
{HAG} < <presence type='error' id='273hs51g' from='{ROOM}' to='{HAG}'><x xmlns='{MUC}'/>
    <error type='modify' code='400' by='{ROOM}'>
    <jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
    <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>*</text></error></presence>
"""
    )


def test_a_message_to_all(told: Told) -> None:
    # §7.4
    inside = (
        f"<body>Harpier cries: 'tis time, 'tis time.</body>{ID}<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='*'/>"
    )
    told(
        ENTERED
        + f"""
{HAG} > <message id='hysf1v37' to='{ROOM}' type='groupchat'><body>Harpier cries: 'tis time, 'tis time.</body></message>
"""
        + "".join(
            message(f"{ROOM}/thirdwitch", to, inside, " type='groupchat' id='hysf1v37'") for to in (CRONE, WICCA, HAG)
        )
    )


def test_a_private_message(told: Told) -> None:
    # §7.5
    told(
        ENTERED
        + f"""
{WICCA} > <message id='hgn27af1' to='{ROOM}/firstwitch' type='chat'><body>I'll give thee a wind.</body>
    <x xmlns='{MUC}#user'/></message>
{CRONE} < <message from='{ROOM}/secondwitch' id='hgn27af1' to='{CRONE}' type='chat'>
    <body>I'll give thee a wind.</body><x xmlns='{MUC}#user'/>{ID}</message>
{WICCA} > <message id='bx71f29k' to='{ROOM}/firstwitch' type='groupchat'><body>I'll give thee a wind.</body></message>
{WICCA} < <message from='{ROOM}/firstwitch' id='bx71f29k' to='{WICCA}' type='error'>
    <body>I'll give thee a wind.</body><error by='{ROOM}' type='modify' code='400'>
    <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
    <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>*</text></error></message>
"""
    )


def test_changing_the_nickname(told: Told) -> None:
    # §7.6
    old, new = "<item affiliation='none' role='participant'{} nick='oldhag'/>{}", "<item affiliation='none' {}/>{}"
    known, own = f" jid='{HAG}'", "<status code='110'/>"
    gone, role = "<status code='303'/>", "role='participant'"
    told(
        f"{ENTERED}{HAG} > <presence id='ifd1c35' to='{ROOM}/oldhag'/>\n"
        + presence("thirdwitch", CRONE, old.format(known, gone), " type='unavailable'")
        + presence("thirdwitch", WICCA, old.format("", gone), " type='unavailable'")
        + presence("thirdwitch", HAG, old.format(known, own + gone), " type='unavailable'")
        + presence("oldhag", CRONE, new.format(role + known, ""))
        + presence("oldhag", WICCA, new.format(role, ""))
        + presence("oldhag", HAG, new.format(role + known, own), " id='ifd1c35'")
    )


def test_changing_availability(told: Told) -> None:
    # §7.7
    status = "<show>xa</show><status>gone where the goblins go</status>"
    told(
        f"{ENTERED}{HAG} > <presence id='kr7v143h' to='{ROOM}/thirdwitch'>{status}</presence>\n"
        + presence("thirdwitch", CRONE, f"<item affiliation='none' role='participant' jid='{HAG}'/>", before=status)
        + presence("thirdwitch", WICCA, "<item affiliation='none' role='participant'/>", before=status)
        + presence(
            "thirdwitch",
            HAG,
            f"<item affiliation='none' role='participant' jid='{HAG}'/><status code='110'/>",
            " id='kr7v143h'",
            status,
        )
    )


def test_invitations(told: Told) -> None:
    # §7.8.2
    told(
        f"""{FOUNDED}
hecate@example.org/broom connects
hecate@example.org/broom > <presence/>
{QUIET}
hecate@example.org/broom < anything
{CRONE} > <message id='nzd143v8' to='{ROOM}'><x xmlns='{MUC}#user'><invite to='hecate@example.org'>
    <reason>Hey Hecate</reason></invite></x></message>
hecate@example.org/broom < <message from='{ROOM}' id='nzd143v8' to='hecate@example.org'><x xmlns='{MUC}#user'>
    <invite from='crone1@example.org'><reason>Hey Hecate</reason></invite></x></message>
hecate@example.org/broom > <message id='jk2vs61v' to='{ROOM}'><x xmlns='{MUC}#user'>
    <decline to='crone1@example.org'><reason>Too busy</reason></decline></x></message>
{CRONE} < <message from='{ROOM}' id='jk2vs61v' to='{CRONE}'><x xmlns='{MUC}#user'>
    <decline from='hecate@example.org'><reason>Too busy</reason></decline></x></message>
"""
    )


def test_leaving(told: Told) -> None:
    # §7.14
    status = "<status>gone where the goblins go</status>"
    told(
        f"{ENTERED}{HAG} > <presence to='{ROOM}/thirdwitch' type='unavailable'>{status}</presence>\n"
        + presence(
            "thirdwitch",
            HAG,
            f"<item affiliation='none' role='none' jid='{HAG}'/><status code='110'/>",
            " type='unavailable'",
            status,
        )
        + presence(
            "thirdwitch",
            CRONE,
            f"<item affiliation='none' role='none' jid='{HAG}'/>",
            " type='unavailable'",
            status,
        )
        + presence("thirdwitch", WICCA, "<item affiliation='none' role='none'/>", " type='unavailable'", status)
    )


def test_the_subject(told: Told) -> None:
    # §8.1
    inside = f"<subject>Fire Burn!</subject>{ID}<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='*'/>"
    told(
        ENTERED
        + f"{CRONE} > <message id='lh2bs617' to='{ROOM}' type='groupchat'><subject>Fire Burn!</subject></message>\n"
        + "".join(
            message(f"{ROOM}/firstwitch", to, inside, " type='groupchat' id='lh2bs617'") for to in (CRONE, WICCA, HAG)
        )
    )


def test_a_kick(told: Told) -> None:
    # §8.2
    inside = "<actor nick='firstwitch'/><reason>Avaunt, you cullion!</reason></item>"
    told(
        ENTERED
        + f"""
{CRONE} > <iq id='kick1' to='{ROOM}' type='set'><query xmlns='{MUC}#admin'><item nick='thirdwitch' role='none'>
    <reason>Avaunt, you cullion!</reason></item></query></iq>
{CRONE} < <iq from='{ROOM}' id='kick1' to='{CRONE}' type='result'/>
"""
        + presence(
            "thirdwitch",
            HAG,
            f"<item affiliation='none' role='none' jid='{HAG}'>{inside}<status code='110'/><status code='307'/>",
            " type='unavailable'",
        )
        + presence(
            "thirdwitch",
            CRONE,
            f"<item affiliation='none' role='none' jid='{HAG}'>{inside}<status code='307'/>",
            " type='unavailable'",
        )
        + presence(
            "thirdwitch",
            WICCA,
            f"<item affiliation='none' role='none'>{inside}<status code='307'/>",
            " type='unavailable'",
        )
    )


def test_a_ban(told: Told) -> None:
    # §9.1
    mav = "<mav xmlns='urn:xmpp:muc:affiliations:1' since='*' until='*'/>"  # XEP-0463
    own = "<status code='110'/><status code='301'/>"
    inside = "<actor nick='firstwitch'/><reason>Treason</reason></item>"
    told(
        ENTERED
        + f"""
{CRONE} > <iq id='ban1' to='{ROOM}' type='set'><query xmlns='{MUC}#admin'>
    <item affiliation='outcast' jid='hag66@example.org'><reason>Treason</reason></item></query></iq>
"""
        + presence(
            "thirdwitch",
            HAG,
            f"{mav}<item affiliation='outcast' role='none' jid='{HAG}'>{inside}{own}",
            " type='unavailable'",
        )
        + presence(
            "thirdwitch",
            CRONE,
            f"{mav}<item affiliation='outcast' role='none' jid='{HAG}'>{inside}<status code='301'/>",
            " type='unavailable'",
        )
        + presence(
            "thirdwitch",
            WICCA,
            f"{mav}<item affiliation='outcast' role='none'>{inside}<status code='301'/>",
            " type='unavailable'",
        )
        + f"""
{CRONE} < <iq from='{ROOM}' id='ban1' to='{CRONE}' type='result'/>
{CRONE} > <iq id='ban2' to='{ROOM}' type='get'><query xmlns='{MUC}#admin'><item affiliation='outcast'/></query></iq>
{CRONE} < <iq from='{ROOM}' id='ban2' to='{CRONE}' type='result'><query xmlns='{MUC}#admin'>
    <item affiliation='outcast' jid='hag66@example.org'><reason>Treason</reason></item></query></iq>
"""
    )


def test_destroying(told: Told) -> None:
    # §10.9
    destroy = "<destroy jid='heath@chat.example.org'><reason>Macbeth doth come.</reason></destroy>"
    x = f"<item affiliation='none' role='none'/><status code='110'/>{destroy}"
    told(
        ENTERED
        + f"{CRONE} > <iq id='begone' to='{ROOM}' type='set'><query xmlns='{MUC}#owner'>{destroy}</query></iq>\n"
        + presence("firstwitch", CRONE, x, " type='unavailable'")
        + presence("secondwitch", WICCA, x, " type='unavailable'")
        + presence("thirdwitch", HAG, x, " type='unavailable'")
        + f"{CRONE} < <iq from='{ROOM}' id='begone' to='{CRONE}' type='result'/>\n"
    )
