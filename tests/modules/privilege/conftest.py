"""capulet.lit with a component that has privileges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.modules.conftest import IM
from tests.plugged import Plugged, plug
from tests.world import World
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.modules.privilege import Privilege

COMPONENT = "pubsub.capulet.lit"


class Scene:
    """The world, the component with its grants, and one without any."""

    def __init__(self, *privileges: str) -> None:
        self.world = World("capulet.lit")
        self.component: Plugged = plug(self.world, COMPONENT, privileges=privileges)
        self.other = plug(self.world, "other.capulet.lit")
        for make in (*(kind for kind in IM if kind not in (Roster, Presence)), Roster, Presence, Privilege):
            self.world.host.add_module(make())


@pytest.fixture
def scene() -> Callable[..., Scene]:
    return Scene
