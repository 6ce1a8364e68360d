"""Data forms (XEP-0004) as far as commands need them: written with their fields, read with bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

from components.xmpp_component.errors import RequestError

NS = "jabber:x:data"
_MAX_FIELDS = 40
_MAX_VALUES = 500
_MAX_CHARS = 4000

FieldType = Literal["fixed", "jid-single", "list-multi", "list-single", "text-multi", "text-single", "boolean"]
#: The values of fields by their names.
Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `options` are pairs of value and label."""

    var: str
    type: FieldType
    label: str
    values: Sequence[str] = ()
    options: Sequence[tuple[str, str]] = ()
    is_required: bool = False

    def element(self) -> ET.Element:
        """Return the `<field/>`."""
        field = ET.Element(f"{{{NS}}}field", var=self.var, type=self.type, label=self.label)
        if self.is_required:
            ET.SubElement(field, f"{{{NS}}}required")
        for value in self.values:
            ET.SubElement(field, f"{{{NS}}}value").text = value
        for value, label in self.options:
            option = ET.SubElement(field, f"{{{NS}}}option", label=label)
            ET.SubElement(option, f"{{{NS}}}value").text = value
        return field


def question(title: str, instructions: str, fields: Sequence[Field]) -> ET.Element:
    """Return a form to fill in."""
    form = _form("form", title)
    ET.SubElement(form, f"{{{NS}}}instructions").text = instructions
    form.extend(field.element() for field in fields)
    return form


def result(title: str, fields: Sequence[Field]) -> ET.Element:
    """Return a form that tells something."""
    form = _form("result", title)
    form.extend(field.element() for field in fields)
    return form


def table(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> ET.Element:
    """Return a form with many items (XEP-0004 §3.4); `columns` are labels by the names of fields."""
    form = _form("result", title)
    reported = ET.SubElement(form, f"{{{NS}}}reported")
    for var, label in columns.items():
        ET.SubElement(reported, f"{{{NS}}}field", var=var, type="text-single", label=label)
    for row in rows:
        item = ET.SubElement(form, f"{{{NS}}}item")
        for var in columns:
            field = ET.SubElement(item, f"{{{NS}}}field", var=var)
            ET.SubElement(field, f"{{{NS}}}value").text = row[var]
    return form


def submitted(command: ET.Element) -> dict[str, list[str]]:
    """Return what was filled in; nothing without a form.

    Raises:
        RequestError: It is too much.

    """
    form = command.find(f"{{{NS}}}x[@type='submit']")
    if form is None:
        return {}
    fields = form.findall(f"{{{NS}}}field")
    values = {
        field.get("var", ""): [value.text or "" for value in field.iterfind(f"{{{NS}}}value")] for field in fields
    }
    texts = [text for texts in values.values() for text in texts]
    if len(fields) > _MAX_FIELDS or len(texts) > _MAX_VALUES or any(len(text) > _MAX_CHARS for text in texts):
        raise RequestError("not-acceptable", "modify", "The form is too large")
    return values


def _form(kind: str, title: str) -> ET.Element:
    form = ET.Element(f"{{{NS}}}x", type=kind)
    ET.SubElement(form, f"{{{NS}}}title").text = title
    return form
