"""XEP-0004: Data Forms, with the FORM_TYPE of XEP-0068."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DATA_FORMS, DATA_VALIDATE

FORM_TYPE = "FORM_TYPE"


class FormType(StrEnum):
    """What a form is for (§3.1)."""

    FORM = "form"
    SUBMIT = "submit"
    CANCEL = "cancel"
    RESULT = "result"


class FieldType(StrEnum):
    """What a field holds (§3.3)."""

    BOOLEAN = "boolean"
    FIXED = "fixed"
    HIDDEN = "hidden"
    JID_MULTI = "jid-multi"
    JID_SINGLE = "jid-single"
    LIST_MULTI = "list-multi"
    LIST_SINGLE = "list-single"
    TEXT_MULTI = "text-multi"
    TEXT_PRIVATE = "text-private"
    TEXT_SINGLE = "text-single"


FORM_TYPES = {member.value: member for member in FormType}
FIELD_TYPES = {member.value: member for member in FieldType}
BOOLEANS = {"1": True, "true": True, "0": False, "false": False}
_MULTIPLE = frozenset((FieldType.HIDDEN, FieldType.JID_MULTI, FieldType.LIST_MULTI, FieldType.TEXT_MULTI))
_LISTS = frozenset((FieldType.LIST_MULTI, FieldType.LIST_SINGLE))
_JIDS = frozenset((FieldType.JID_MULTI, FieldType.JID_SINGLE))


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a list field (§3.2)."""

    value: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field (§3.2). `type` is None where it was not told: submissions may leave it out."""

    var: str = ""
    values: tuple[str, ...] = ()
    type: FieldType | None = None
    label: str | None = None
    desc: str = ""
    required: bool = False
    options: tuple[Option, ...] = ()
    #: For a whole number: the least and the largest one that is taken (XEP-0122 §3.2.3). Not read back by `parse`.
    range: tuple[int, int] | None = None

    @property
    def value(self) -> str | None:
        """The first value, or None."""
        return self.values[0] if self.values else None

    def to_element(self) -> Element:
        """Return `<field/>`."""
        element = Element("field", DATA_FORMS)
        for name, value in (("var", self.var), ("type", self.type), ("label", self.label)):
            if value:
                element.attrs[name] = str(value)
        if self.desc:
            element.add("desc", text=self.desc)
        if self.required:
            element.add("required")
        if self.range is not None:
            validate = element.add("validate", DATA_VALIDATE, datatype="xs:integer")
            validate.add("range", min=str(self.range[0]), max=str(self.range[1]))
        for value in self.values:
            element.add("value", text=value)
        for option in self.options:
            child = element.add("option")
            if option.label is not None:
                child.attrs["label"] = option.label
            child.add("value", text=option.value)
        return element

    @classmethod
    def parse(cls, element: Element) -> Field:
        """Read `<field/>`; a field type nobody knows is text-single (§3.3)."""
        written = element.get("type")
        options = []
        for option in element.findall("option", DATA_FORMS):
            value = option.find("value", DATA_FORMS)
            if value is None:
                raise StanzaError(Condition.BAD_REQUEST, "An option of a form has no value")
            options.append(Option(value.text, option.get("label")))
        desc = element.find("desc", DATA_FORMS)
        return cls(
            var=element.get("var") or "",
            values=tuple(value.text for value in element.findall("value", DATA_FORMS)),
            type=None if written is None else FIELD_TYPES.get(written, FieldType.TEXT_SINGLE),
            label=element.get("label"),
            desc="" if desc is None else desc.text,
            required=element.find("required", DATA_FORMS) is not None,
            options=tuple(options),
        )


@dataclass(frozen=True, slots=True)
class Form:
    """A data form (§3); `reported` and `items` are the table of a result (§3.4)."""

    type: FormType
    fields: tuple[Field, ...] = ()
    title: str = ""
    instructions: tuple[str, ...] = ()
    reported: tuple[Field, ...] = ()
    items: tuple[tuple[Field, ...], ...] = ()

    @property
    def form_type(self) -> str | None:
        """The FORM_TYPE, which names the fields' registry (XEP-0068)."""
        return self.value(FORM_TYPE)

    def field(self, var: str) -> Field | None:
        """Return the field `var`."""
        return next((field for field in self.fields if field.var == var), None)

    def value(self, var: str) -> str | None:
        """Return the first value of the field `var`."""
        field = self.field(var)
        return None if field is None else field.value

    def values(self, var: str) -> tuple[str, ...]:
        """Return the values of the field `var`; none if there is no such field."""
        field = self.field(var)
        return () if field is None else field.values

    def boolean(self, var: str, default: bool = False) -> bool:
        """Return the field `var` as a truth value.

        Raises:
            StanzaError: bad-request; it is neither of "1", "true", "0", "false".

        """
        value = self.value(var)
        if value is None:
            return default
        if value not in BOOLEANS:
            raise StanzaError(Condition.BAD_REQUEST, f"Not a boolean: {var}")
        return BOOLEANS[value]

    def to_element(self) -> Element:
        """Return `<x/>`."""
        element = Element("x", DATA_FORMS, {"type": self.type.value})
        if self.title:
            element.add("title", text=self.title)
        for line in self.instructions:
            element.add("instructions", text=line)
        for field in self.fields:
            element.append(field.to_element())
        if self.reported:
            _add_row(element, "reported", self.reported)
        for item in self.items:
            _add_row(element, "item", item)
        return element

    @classmethod
    def of(cls, parent: Element) -> Form | None:
        """Read the form among the children of `parent`, if there is one."""
        element = parent.find("x", DATA_FORMS)
        return None if element is None else cls.parse(element)

    @classmethod
    def parse(cls, element: Element) -> Form:
        """Read `<x/>`.

        Raises:
            StanzaError: bad-request; unknown form type, a field without 'var', or two of the same.

        """
        type_ = FORM_TYPES.get(element.get("type") or "")
        if type_ is None:
            raise StanzaError(Condition.BAD_REQUEST, "A form is of type form, submit, cancel or result")
        title = element.find("title", DATA_FORMS)
        reported = element.find("reported", DATA_FORMS)
        return cls(
            type=type_,
            fields=_row(element),
            title="" if title is None else title.text,
            instructions=tuple(line.text for line in element.findall("instructions", DATA_FORMS)),
            reported=() if reported is None else _row(reported),
            items=tuple(_row(item) for item in element.findall("item", DATA_FORMS)),
        )


def hidden_form_type(ns: str) -> Field:
    """Return the field that names the form's registry (XEP-0068 §3.1)."""
    return Field(FORM_TYPE, (ns,), FieldType.HIDDEN)


def accept(form: Form, submission: Form) -> Mapping[str, tuple[str, ...]]:
    """Check a submission against the form that was sent out; return the values that were filled in.

    Unknown fields are ignored (§3.1), fixed ones too. An absent field is absent in the answer.

    Raises:
        StanzaError: bad-request; not a submission, or one of another FORM_TYPE. not-acceptable; a value that
            its field does not allow.

    """
    if submission.type is not FormType.SUBMIT:
        raise StanzaError(Condition.BAD_REQUEST, "Expected a form of type submit")
    if form.form_type is not None and submission.form_type not in (None, form.form_type):
        raise StanzaError(Condition.BAD_REQUEST, f"The FORM_TYPE is not {form.form_type}")
    filled = {field.var: field.values for field in submission.fields}
    accepted = {}
    for field in form.fields:
        if field.type is FieldType.FIXED or field.var == FORM_TYPE:
            continue
        values = filled.get(field.var)
        if field.required and not any(values or ()):
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"Required: {field.var}")
        if values is not None:
            accepted[field.var] = _accepted(field, values)
    return accepted


def _accepted(field: Field, values: tuple[str, ...]) -> tuple[str, ...]:
    type_ = field.type or FieldType.TEXT_SINGLE
    if len(values) > 1 and type_ not in _MULTIPLE:
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"More than one value: {field.var}")
    if type_ is FieldType.BOOLEAN and not all(value in BOOLEANS for value in values):
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"Not a boolean: {field.var}")
    if type_ in _LISTS and not {option.value for option in field.options}.issuperset(values):
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"Not one of the options: {field.var}")
    if type_ in _JIDS:
        return _addresses(field.var, values)
    return values


def _addresses(var: str, values: Iterable[str]) -> tuple[str, ...]:
    """Normalize addresses; duplicates are dropped (§3.3), empty ones mean that none was filled in."""
    try:
        return tuple(dict.fromkeys(str(JID.parse(value)) for value in values if value))
    except JIDMalformed:
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"Not a Jabber ID: {var}") from None


def _add_row(parent: Element, name: str, fields: Iterable[Field]) -> None:
    row = parent.add(name)
    for field in fields:
        row.append(field.to_element())


def _row(parent: Element) -> tuple[Field, ...]:
    fields = tuple(Field.parse(element) for element in parent.findall("field", DATA_FORMS))
    named = [field.var for field in fields if field.var]
    if len(set(named)) != len(named):
        raise StanzaError(Condition.BAD_REQUEST, "Two fields of a form have the same name")
    # A submission may leave the types out, even of the fixed fields that it repeats.
    if any(not field.var and field.type not in (None, FieldType.FIXED) for field in fields):
        raise StanzaError(Condition.BAD_REQUEST, "A field of a form has no name")
    return fields
