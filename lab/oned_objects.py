"""What oned's pools hold: objects and their templates, and the pieces of their documents."""

import re
import xml.etree.ElementTree as ET
from collections import namedtuple

import oned_conf as conf

Caller = namedtuple("Caller", "user gid groups")
BLANKS = " \f\n\r\t\v"  # what oned cuts from the ends of a value


class Failure(Exception):
    """An error as a reply: its code, text and the id that it is about."""

    def __init__(self, code, text, oid=-1):
        super().__init__(text)
        self.code, self.text, self.oid = code, text, oid


def cdata(text):
    return f"<![CDATA[{text}]]>"


def element(tag, *content):
    """An XML element of pieces that are XML already, or of what needs no escaping."""
    return f"<{tag}>{''.join(map(str, content))}</{tag}>"


def fields(**values):
    """Elements one after the other."""
    return "".join(element(tag, value) for tag, value in values.items())


def vector(tag, values):
    return element(tag, *(element(key, cdata(values[key])) for key in sorted(values)))


def ids(tag, numbers):
    return element(tag, *(element("ID", number) for number in sorted(numbers)))


class Template:
    """Attributes: an upper-case name can have several values, each a string or a vector (a dict of strings)."""

    # The two states of oned's lexer. It takes the longest match, and passes over a character that matches nothing.
    OUTSIDE = tuple(
        (kind, re.compile(rule))
        for kind, rule in (
            ("skip", r"[ \t]*#.*\n"),
            ("skip", r"[ \t\n]+"),
            ("name", r"[A-Za-z0-9_]+"),
            ("equal", r"[ \t]*=[ \t]*"),
            ("empty", r"[ \t]*=[ \t]*\n"),
            ("comma", r"[ \t\n]*,[ \t\n]*"),
            ("close", r"[ \t\n]*\][ \t\n]*"),
        )
    )
    AFTER_EQUAL = tuple(
        (kind, re.compile(rule))
        for kind, rule in (
            ("open", r"[ \t]*\[[ \t\n]*"),
            ("cdata", r".*\]\]>.*"),
            ("quoted", r'"(?:\\"|[^"])*"'),
            ("value", r"[^=# \t\n,\[\]]+"),
        )
    )

    def __init__(self, text="", unique=False):
        """Read a template; unique ones (an image's) keep the last value of a name only."""
        self.attributes, self.unique = [], unique
        (self._read_xml if text.startswith("<") else self._read)(text)

    @classmethod
    def _tokens(cls, text):
        at, rules = 0, cls.OUTSIDE
        while at < len(text):
            matches = [(kind, match[0]) for kind, rule in rules if (match := rule.match(text, at))]
            if not matches:
                at += 1
                continue
            kind, word = max(matches, key=lambda match: len(match[1]))
            at += len(word)
            rules = cls.AFTER_EQUAL if kind == "equal" else cls.OUTSIDE
            if kind == "quoted":
                kind, word = "value", word[1:-1]
            if kind == "value":
                word = word.replace('\\"', '"')
            if kind != "skip":
                yield kind, word
        yield "end", ""

    def _read(self, text):
        tokens = self._tokens(text)

        def take(*kinds):
            kind, word = next(tokens)
            if kind not in kinds:
                expected = " or ".join(kinds)
                raise Failure(conf.INTERNAL, f"Parse error: syntax error, unexpected {kind}, expecting {expected}")
            return kind, word

        while (token := take("name", "end"))[0] == "name":
            value = ""
            if take("equal", "empty")[0] == "equal":
                kind, value = take("value", "open")
                if kind == "open":
                    value = self._vector(take)
            self.add(token[1], value)

    @staticmethod
    def _vector(take):
        """What follows an opening bracket; the first value of a key counts."""
        values = {}
        kind, key = take("name", "close")
        while kind == "name":
            take("equal")
            values.setdefault(key.upper(), take("value")[1])
            if take("comma", "close")[0] == "close":
                break
            kind, key = take("name")
        return values

    def _read_xml(self, text):
        try:
            root = ET.fromstring(text)
        except ET.ParseError:
            raise Failure(conf.INTERNAL, "Parse error: XML Template malformed.") from None
        for child in root:
            if len(child):
                self.add(child.tag, {leaf.tag: leaf.text for leaf in child if leaf.text})
            elif child.text:
                self.add(child.tag, child.text)

    def add(self, name, value):
        """One more value, without blanks at its ends, under a name that can be an XML element's."""
        if not (name[0].isalpha() or name[0] == "_") or name.startswith("XML"):
            name = "ONE_" + name
        if self.unique:
            self.erase(name.upper())
        self.attributes.append((name.upper(), value.strip(BLANKS) if isinstance(value, str) else value))

    def get(self, name):
        """The first value of the name where that is a string, else an empty one."""
        value = next((value for key, value in self.attributes if key == name), "")
        return value if isinstance(value, str) else ""

    def erase(self, *names):
        self.attributes = [pair for pair in self.attributes if pair[0] not in names]

    def replace(self, name, value):
        self.erase(name)
        self.attributes.append((name, value))

    def pop(self, name):
        value = self.get(name)
        self.erase(name)
        return value

    def merge(self, other):
        """Each name of the other gives way to the other's values; an empty vector only removes."""
        self.erase(*(name for name, _ in other.attributes))
        self.attributes += [pair for pair in other.attributes if pair[1] != {}]

    def copy(self):
        other = Template(unique=self.unique)
        other.attributes = list(self.attributes)
        return other

    def xml(self, tag="TEMPLATE"):
        return element(
            tag,
            *(
                vector(name, value) if isinstance(value, dict) else element(name, cdata(value))
                for name, value in sorted(self.attributes, key=lambda pair: pair[0])
            ),
        )


class Thing:
    """An object of a pool: its identity, owner, permissions and template, and what its kind adds."""

    def __init__(self, kind, name, owner=(0, 0, "", ""), template=None, group_use=0, **more):
        self.kind, self.id, self.name = kind, -1, name
        self.uid, self.gid, self.uname, self.gname = owner
        self.bits = dict(zip(conf.BITS, (1, 1, 0, group_use, 0, 0, 0, 0, 0), strict=True))
        self.template = template or Template()
        self.clusters = set()
        self.__dict__.update(more)

    def head(self, owner=True, bits=True):
        """What its document begins with."""
        owner = fields(UID=self.uid, GID=self.gid, UNAME=self.uname, GNAME=self.gname) if owner else ""
        bits = element("PERMISSIONS", fields(**self.bits)) if bits else ""
        return fields(ID=self.id) + owner + fields(NAME=self.name) + bits
