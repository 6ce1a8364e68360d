"""XEP-0004: data forms."""

import pytest

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.stanzas.forms import Field as FormField
from xmpp_server.stanzas.forms import (
    FieldType,
    Form,
    FormType,
    Option,
    accept,
    hidden_form_type,
)
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DATA_FORMS
from xmpp_server.xml.parser import parse

BOT = Form(
    FormType.FORM,
    (
        hidden_form_type("jabber:bot"),
        FormField(values=("Section 1",), type=FieldType.FIXED),
        FormField("botname", type=FieldType.TEXT_SINGLE, label="The name", required=True),
        FormField("description", type=FieldType.TEXT_MULTI, desc="Helpful"),
        FormField("public", ("0",), FieldType.BOOLEAN),
        FormField("features", type=FieldType.LIST_MULTI, options=(Option("news", "News"), Option("search"))),
        FormField("maxsubs", ("20",), FieldType.LIST_SINGLE, options=(Option("10", "10"), Option("20", "20"))),
        FormField("invitelist", type=FieldType.JID_MULTI),
        FormField("untyped"),
    ),
    title="Bot Configuration",
    instructions=("Fill out", "this form"),
)


def submitted(**values: tuple[str, ...]) -> Form:
    return Form(FormType.SUBMIT, tuple(FormField(var, given) for var, given in values.items()))


def refused(form: Form) -> Condition:
    with pytest.raises(StanzaError) as caught:
        accept(BOT, form)
    return caught.value.condition


def test_round_trip() -> None:
    assert Form.parse(BOT.to_element()) == BOT
    assert Form.of(Element("command", "urn:c").append(BOT.to_element())) == BOT
    assert Form.of(Element("command", "urn:c")) is None


def test_written_form() -> None:
    form = Form(FormType.FORM, (FormField("a", ("1",), FieldType.BOOLEAN, "A", "d", True),), "t", ("i",))
    assert form.to_element() == parse(
        b"<x xmlns='jabber:x:data' type='form'><title>t</title><instructions>i</instructions>"
        b"<field var='a' type='boolean' label='A'><desc>d</desc><required/><value>1</value></field></x>"
    )


def test_table_of_results() -> None:
    table = Form(
        FormType.RESULT,
        reported=(FormField("name", type=FieldType.TEXT_SINGLE),),
        items=((FormField("name", ("one",)),), (FormField("name", ("two",)),)),
    )
    assert Form.parse(table.to_element()) == table


def test_reading_values() -> None:
    form = submitted(a=("1", "2"), none=(), no=("false",), odd=("yes",), FORM_TYPE=("urn:t",))
    assert form.form_type == "urn:t"
    assert form.value("a") == "1"
    assert form.values("a") == ("1", "2")
    assert form.value("none") is None
    assert form.value("absent") is None
    assert form.values("absent") == ()
    assert form.boolean("a")
    assert not form.boolean("no", default=True)
    assert form.boolean("absent", default=True)
    with pytest.raises(StanzaError):
        form.boolean("odd")


def test_an_unknown_field_type_is_text_single() -> None:
    field = FormField.parse(Element("field", DATA_FORMS, {"var": "a", "type": "hologram"}))
    assert field.type is FieldType.TEXT_SINGLE


@pytest.mark.parametrize(
    "inside",
    [
        b"type='banana'>",
        b">",
        b"type='submit'><field var='a'/><field var='a'/>",
        b"type='submit'><field type='text-single'/>",
        b"type='submit'><field var='a'><option/></field>",
        b"type='result'><item><field var='a'/><field var='a'/></item>",
    ],
)
def test_ill_formed(inside: bytes) -> None:
    with pytest.raises(StanzaError) as caught:
        Form.parse(parse(b"<x xmlns='jabber:x:data' " + inside + b"</x>"))
    assert caught.value.condition is Condition.BAD_REQUEST


def test_a_submission_may_repeat_fixed_fields_without_type() -> None:
    form = Form.parse(parse(b"<x xmlns='jabber:x:data' type='submit'><field/><field type='fixed'/><field/></x>"))
    assert len(form.fields) == 3


def test_accept() -> None:
    accepted = accept(
        BOT,
        submitted(
            botname=("Joogle",),
            description=("a", "b"),
            features=("search", "news"),
            invitelist=("Juliet@capulet.com", "", "juliet@capulet.com"),
            public=("true",),
            untyped=("x",),
            unknown=("ignored",),
            FORM_TYPE=("jabber:bot",),
        ),
    )
    assert accepted == {
        "botname": ("Joogle",),
        "description": ("a", "b"),
        "features": ("search", "news"),
        "invitelist": ("juliet@capulet.com",),
        "public": ("true",),
        "untyped": ("x",),
    }


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"botname": ()},
        {"botname": ("",)},
        {"botname": ("a", "b")},
        {"botname": ("a",), "public": ("yes",)},
        {"botname": ("a",), "maxsubs": ("30",)},
        {"botname": ("a",), "maxsubs": ("10", "20")},
        {"botname": ("a",), "features": ("news", "weather")},
        {"botname": ("a",), "invitelist": ("@",)},
        {"botname": ("a",), "untyped": ("a", "b")},
    ],
)
def test_accept_refuses(values: dict[str, tuple[str, ...]]) -> None:
    assert refused(submitted(**values)) is Condition.NOT_ACCEPTABLE


def test_accept_refuses_another_form() -> None:
    assert refused(Form(FormType.CANCEL)) is Condition.BAD_REQUEST
    assert refused(submitted(botname=("a",), FORM_TYPE=("urn:other",))) is Condition.BAD_REQUEST


def test_accept_of_a_form_without_form_type() -> None:
    form = Form(FormType.FORM, (FormField("a"),))
    assert accept(form, submitted(a=("1",), FORM_TYPE=("urn:any",))) == {"a": ("1",)}
