"""Requests for slots: read from XML, granted or refused as XEP-0363 says."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from components.xmpp_component.errors import RequestError
from components.xmpp_files.access import Access
from components.xmpp_files.purposes import Purpose, stamp
from components.xmpp_files.quota import Limits
from components.xmpp_files.requests import NS, UploadRequest, read
from components.xmpp_files.service import UploadService
from components.xmpp_files.settings import UploadSettings

NOW = 1_700_000_000
ALL = frozenset(Purpose)
USER = "romeo@montague.tld"


def request(inside: str = "", **attributes: str) -> ET.Element:
    values = {"filename": "très cool.jpg", "size": "23456", "content-type": "image/jpeg"} | attributes
    element = ET.fromstring(f"<request xmlns='{NS}'>{inside}</request>")
    element.attrib.update({name: value for name, value in values.items() if value})
    return element


def purpose(name: str, more: str = "") -> str:
    return f"<{name} xmlns='urn:xmpp:http:upload:purpose:0' {more}/>"


def test_the_example_is_read():
    assert read(request(), ALL) == UploadRequest("très cool.jpg", 23456, "image/jpeg", Purpose.MESSAGE, None)


@pytest.mark.parametrize("name", list(Purpose))
def test_purposes_are_read(name):
    wanted = read(request(purpose(name, "expire-before='2025-09-10T23:08:25Z'")), ALL)
    assert wanted.purpose is name
    assert wanted.expire_before == (1_757_545_705 if name is Purpose.EPHEMERAL else None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"filename": ""},
        {"filename": "../"},
        {"size": ""},
        {"size": "0"},
        {"size": "-1"},
        {"size": "1e3"},
        {"size": "٣"},
        {"size": "9" * 30},
        {"content-type": "x\r\ny: z"},
        {"inside": purpose("ephemeral")},
        {"inside": purpose("ephemeral", "expire-before='soon'")},
    ],
)
def test_malformed_requests_are_refused(wrong):
    with pytest.raises(RequestError) as refused:
        read(request(**wrong), ALL)
    assert (refused.value.condition, refused.value.kind) == ("bad-request", "modify")


@pytest.mark.parametrize("inside", [purpose("permanent"), purpose("nonsense")])
def test_purposes_that_are_not_served_are_refused(inside):
    with pytest.raises(RequestError) as refused:
        read(request(inside), {Purpose.MESSAGE})
    assert refused.value.condition == "feature-not-implemented"


@given(st.dictionaries(st.sampled_from(["filename", "size", "content-type"]), st.text(max_size=20)))
def test_any_request_is_read_or_refused(attributes):
    element = ET.Element(f"{{{NS}}}request", attributes)
    try:
        wanted = read(element, ALL)
    except RequestError:
        return
    assert wanted.filename
    assert wanted.size > 0


@pytest.mark.parametrize(
    ("users", "jid", "allowed"),
    [
        ((), "romeo@montague.tld", True),
        ((), "montague.tld", True),
        ((), "romeo@evil.tld", False),
        ((), "romeo@sub.montague.tld", False),
        (("capulet.tld", "Romeo@montague.tld"), "romeo@montague.tld", True),
        (("capulet.tld", "romeo@montague.tld"), "juliet@capulet.tld", True),
        (("capulet.tld",), "romeo@montague.tld", False),
    ],
)
def test_access_is_for_domains_and_users(users, jid, allowed):
    assert Access(users, "upload.montague.tld").allows(jid) is allowed


@pytest.fixture
def service(server):
    settings = UploadSettings(domain="upload.montague.tld", max_file_bytes=50_000)
    access = Access((), settings.domain)
    return UploadService(
        settings, Limits(0, 0, 0, 0), server.signer, server.index, server.storage, access, lambda: server.http.url
    )


async def refusal(service, element, user=USER):
    with pytest.raises(RequestError) as refused:
        await service.grant(element, user, NOW)
    return refused.value


async def test_a_slot_has_two_urls_with_the_name(service, server):
    slot = await service.grant(request(), USER, NOW)
    put, get = slot.find(f"{{{NS}}}put").get("url"), slot.find(f"{{{NS}}}get").get("url")
    assert get.isascii()
    assert get.endswith("/tr%C3%A8s%20cool.jpg")
    assert put.startswith(get + "?slot=")
    (file,) = await server.index.owned(USER)
    assert (file.name, file.size, file.host, file.expires) == ("très cool.jpg", 23456, "montague.tld", NOW + 2678400)


async def test_a_granted_slot_can_be_used(service, server):
    import time

    slot = await service.grant(request(size="4"), USER, int(time.time()))
    assert await server.put(slot[0].get("url"), b"data", **{"Content-Type": "image/jpeg"}) == 201
    async with server.client.get(slot[1].get("url")) as answer:
        assert await answer.read() == b"data"


async def test_a_large_file_is_refused_with_the_maximum(service):
    refused = await refusal(service, request(size="50001"))
    assert (refused.condition, refused.kind) == ("not-acceptable", "modify")
    assert refused.extension.findtext(f"{{{NS}}}max-file-size") == "50000"


async def test_a_quota_is_refused_with_the_time_to_retry(service):
    service = replace(service, limits=Limits(0, 0, 1, 0))
    await service.grant(request(), USER, NOW)
    refused = await refusal(service, request())
    assert (refused.condition, refused.kind) == ("resource-constraint", "wait")
    assert refused.extension.tag == f"{{{NS}}}retry"
    assert refused.extension.get("stamp") > stamp(NOW)


async def test_strangers_are_refused(service):
    assert (await refusal(service, request(), "mallory@evil.tld")).condition == "forbidden"


async def test_a_full_disk_is_a_reason_to_wait(service):
    from components.xmpp_files.disk import DiskStorage

    full = DiskStorage(service.storage._files.parent, min_free_bytes=2**60)
    refused = await refusal(replace(service, storage=full), request())
    await full.close()
    assert (refused.condition, refused.kind) == ("resource-constraint", "wait")


async def test_content_types_can_be_limited(service):
    service = replace(service, settings=changed(service.settings, content_types=("image/*",)))
    await service.grant(request(), USER, NOW)
    assert (await refusal(service, request(**{"content-type": "text/html"}))).condition == "not-acceptable"
    assert (await refusal(service, request(**{"content-type": ""}))).condition == "not-acceptable"


async def test_ephemeral_files_end_when_the_client_says(service, server):
    await service.grant(request(purpose("ephemeral", f"expire-before='{stamp(NOW + 60)}'")), USER, NOW)
    (file,) = await server.index.owned(USER)
    assert (file.purpose, file.expires) == ("ephemeral", NOW + 60)
    refused = await refusal(service, request(purpose("ephemeral", f"expire-before='{stamp(NOW)}'")))
    assert refused.condition == "not-acceptable"
