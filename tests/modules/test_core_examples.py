"""The numbered examples of the XEPs of the core that a server has a part in, played in three chunkings.

There is a transcript of each XEP in `tests/transcripts/core`; where it says something else than the example, it says
why. What is in none of them is told here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from tests.examples import TRANSCRIPTS, marks
from tests.modules.conftest import IM
from tests.modules.test_commands import Services
from tests.transcript import play, written
from tests.world import World
from xmpp_server.core.domain_rules import DomainRules
from xmpp_server.core.host import Host
from xmpp_server.core.module import Module
from xmpp_server.im.caps import Caps
from xmpp_server.im.last_activity import LastActivity
from xmpp_server.modules.admin import Admin
from xmpp_server.modules.blocking import Blocking
from xmpp_server.modules.carbons import Carbons
from xmpp_server.modules.commands import Commands
from xmpp_server.modules.csi import ClientState
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.ping import Ping
from xmpp_server.modules.private import PrivateStorage
from xmpp_server.modules.register import Register
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.modules.time import EntityTime
from xmpp_server.modules.vcard import VCard
from xmpp_server.modules.version import Version

FOLDER = TRANSCRIPTS / "core"

LINK = "a link, which a client reads"
FEATURES = "what a stream announces: tests/streams/test_features.py"
UNREGISTERED = "before authentication: tests/streams/test_registration.py and transcripts/streams/registration.txt"
RESUMING = "of two streams: transcripts/streams/xep0198-5-resumption.txt and tests/streams/test_sm.py"


class Application(Module):
    """What an application lets administrators do that talks to other servers and can be stopped."""

    name = "application"
    needs = (Admin,)

    def register(self, host: Host) -> None:
        admin = host.module(Admin)
        admin.offer_domains(DomainRules([], [], host.storage.documents, [host.jid]))
        admin.offer_service(lambda restart: None)


@dataclass(frozen=True)
class Scene:
    """A XEP's `examples`, from 1 on, and who is in its transcript: hosts, accounts, others that have a domain."""

    examples: int
    domains: tuple[str, ...]
    modules: tuple[Callable[[], Module], ...] = ()
    friends: tuple[tuple[str, str], ...] = ()
    accounts: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    #: Why an example is not in the transcript.
    nowhere: Mapping[int, str] = field(default_factory=dict)


SCENES: Mapping[str, Scene] = {
    "xep0012": Scene(
        13, ("montague.net", "capulet.com"), (LastActivity,), friends=(("juliet@capulet.com", "romeo@montague.net"),)
    ),
    "xep0030": Scene(
        28,
        ("montague.net", "capulet.com"),
        friends=(("juliet@capulet.com", "shakespeare.lit"),),
        elsewhere=("shakespeare.lit",),
        nowhere={
            3: "a service without the entity that is asked; §8 forbids to say so of accounts: see example 4",
            7: "transcripts/muc/06-discovery.txt",
            9: "see the examples 5 and 6 of XEP-0050",
            10: "see the examples 5 and 6 of XEP-0050",
            12: "transcripts/muc/06-discovery.txt",
            **dict.fromkeys(range(16, 22), "the nodes of a service that is elsewhere"),
            22: "no account has nodes of PEP here",
            23: "no account has nodes of PEP here",
            25: LINK,
            27: LINK,
        },
    ),
    "xep0049": Scene(5, ("shakespeare.lit",), (PrivateStorage,)),
    "xep0050": Scene(
        25,
        ("domain",),
        (Commands, Services),
        nowhere={
            7: "to announce commands unasked is optional",
            22: "the server speaks English to all, and calls no language an error",
            23: "the server speaks English to all, and calls no language an error",
            24: LINK,
        },
    ),
    "xep0054": Scene(
        14,
        ("jabber.org",),
        (VCard,),
        friends=(("stpeter@jabber.org", "jer@jabber.org"),),
        nowhere={4: "the other answer that is allowed beside that of example 3", 13: LINK},
    ),
    "xep0077": Scene(
        34,
        ("shakespeare.lit",),
        (Register,),
        elsewhere=("marlowe.lit",),
        nowhere={
            **dict.fromkeys((1, 2, 4, 5, 6, 7, 30, 31, 32), UNREGISTERED),
            **dict.fromkeys((8, 9, 10), "a service that wants more of its users than a password"),
            14: "whoever is on a stream of the account may",
            15: "as the configuration says: tests/modules/test_register.py",
            16: "no form is asked for",
            17: "no form is asked for",
            21: "on a stream without TLS: tests/modules/test_register.py",
            22: "as the configuration says: tests/modules/test_register.py",
            23: "no form is asked for",
            25: "nobody is sent elsewhere",
            26: FEATURES,
            29: LINK,
            33: LINK,
            34: "see example 11",
        },
    ),
    "xep0092": Scene(4, ("montague.net",), (Version,)),
    "xep0115": Scene(
        9,
        ("montague.lit",),
        (Caps,),
        friends=(("juliet@montague.lit", "romeo@montague.lit"),),
        nowhere={5: FEATURES, 9: "the server passes on every presence as it is: it does not optimize"},
    ),
    "xep0133": Scene(
        106,
        ("shakespeare.lit",),
        (Commands, Admin, Application),
        friends=(("bard@shakespeare.lit", "romeo@montague.net"),),
        elsewhere=("montague.net",),
        admins=("bard@shakespeare.lit",),
    ),
    "xep0160": Scene(5, ("capulet.com",), accounts=("juliet@capulet.com",), elsewhere=("montague.net",)),
    "xep0191": Scene(15, ("capulet.com",), (Blocking,), elsewhere=("montague.net",)),
    "xep0198": Scene(
        31,
        ("montague.lit",),
        (StreamManagementModule,),
        elsewhere=("capulet.lit",),
        nowhere={
            1: FEATURES,
            5: "before a resource is bound: tests/streams/test_sm_nonzas.py",
            10: "who asks for resumption may resume",
            11: "there is one place to come back to",
            **dict.fromkeys(range(12, 16), RESUMING),
            17: "the end of a stream: tests/modules/test_stream_management.py",
            **dict.fromkeys(range(27, 32), "with SASL2 and Bind 2, which are not there yet"),
        },
    ),
    "xep0199": Scene(
        17,
        ("capulet.lit",),
        (Ping,),
        elsewhere=("montague.lit",),
        nowhere={
            6: "pings are supported",
            9: "pings are supported",
            **dict.fromkeys((13, 14, 15), "as the examples 10 to 12"),
        },
    ),
    "xep0202": Scene(4, ("montague.net",), (EntityTime,)),
    "xep0203": Scene(
        3,
        ("capulet.com",),
        accounts=("juliet@capulet.com",),
        elsewhere=("montague.net",),
        nowhere={
            2: "a stamp on presence, which RFC 6121 no longer asks for",
            3: "transcripts/muc/07-history.txt",
        },
    ),
    "xep0237": Scene(
        5,
        ("montague.lit",),
        friends=(("romeo@montague.lit", "bill@shakespeare.lit"),),
        nowhere={1: FEATURES},
    ),
    "xep0280": Scene(
        15,
        ("montague.example",),
        (Carbons,),
        elsewhere=("capulet.example",),
        nowhere={5: "everybody may enable them", 8: "everybody may disable them"},
    ),
    "xep0319": Scene(2, ("capulet.com",), friends=(("juliet@capulet.com", "romeo@capulet.com"),)),
    "xep0334": Scene(1, ("capulet.lit",), (Carbons,), accounts=("juliet@capulet.lit",), elsewhere=("montague.lit",)),
    "xep0352": Scene(
        4,
        ("capulet.lit",),
        (ClientState, Ping),
        friends=(("juliet@capulet.lit", "romeo@capulet.lit"),),
        nowhere={1: FEATURES},
    ),
    "xep0359": Scene(
        6,
        ("montague.tld",),
        (StableIds,),
        elsewhere=("capulet.tld",),
        nowhere={4: "an element that other XEPs may use, and none does"},
    ),
}


def make_world(scene: Scene) -> World:
    world = World(*scene.domains, modules=(*IM, ServiceDiscovery, *scene.modules), admins=scene.admins)
    for host in world.hosts.values():
        host.provisioning.iterations = 1
        if Admin in host.modules:
            host.module(Admin).offer_admins(world.administrators)
    for domain in scene.elsewhere:
        world.remote(domain)
    world.create(*scene.accounts)
    for one, other in scene.friends:
        world.befriend(one, other)
    return world


@pytest.mark.parametrize("chunk_bytes", [0, 1, 7], ids=["whole", "bytewise", "by sevens"])
@pytest.mark.parametrize("name", SCENES)
def test_the_examples(name: str, chunk_bytes: int) -> None:
    world = make_world(SCENES[name])
    world.chunk_bytes = chunk_bytes
    play(world, written(FOLDER / f"{name}.txt"))


@pytest.mark.parametrize("name", SCENES)
def test_no_example_is_missing(name: str) -> None:
    scene = SCENES[name]
    shown = marks((FOLDER / f"{name}.txt").read_text(encoding="utf-8"))
    assert sorted([*shown, *scene.nowhere]) == list(range(1, scene.examples + 1))


def test_no_transcript_is_forgotten() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == SCENES.keys()
