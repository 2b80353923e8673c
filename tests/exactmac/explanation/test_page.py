"""The page of an explanation: what it carries, and that it loads nothing."""

import base64
import json
import re
from dataclasses import fields
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from exactmac.explanation.data import (
    Answer,
    Contracted,
    Explanation,
    First,
    Operator,
    RuntimeState,
)
from exactmac.explanation.page import LAYOUT, page
from golden.costs import Cost
from tests.exactmac.explanation.example import HOSTILE, chain, resnet

SVG = "http://www.w3.org/2000/svg"


class Reader(HTMLParser):
    """Tags with their attributes, in order, and the texts of the elements that hold no markup."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.raw = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.raw.append((*self.tags[-1], ""))

    def handle_data(self, data):
        if self.cdata_elem:
            tag, attributes, text = self.raw[-1]
            self.raw[-1] = tag, attributes, text + data


def scripts(text):
    """Scripts that run, in order, and the text of the one that is data."""
    found = [(attributes.get("type"), script) for tag, attributes, script in Reader(text).raw
             if tag == "script"]
    [data] = [script for kind, script in found if kind == "application/json"]
    return [script for kind, script in found if kind != "application/json"], data


def test_examples_are_explanations():
    """They have the fields that an explanation has, so that the page is tried with no others."""
    given = resnet()
    one = {Explanation: given, Operator: given["operators"][0], Cost: given["costs"],
           RuntimeState: given["runtimes"][0], Contracted: given["contracts"][0],
           Answer: given["operators"][0]["answers"][-2]}
    one[First] = one[Answer]["first"]
    assert {kind: {each.name for each in fields(kind)} for kind in one} == {
        kind: set(example) for kind, example in one.items()}


@pytest.mark.parametrize("given", [resnet(), chain(HOSTILE)], ids=["resnet", "hostile"])
def test_it_carries_the_explanation(given):
    assert json.loads(scripts(page(given))[1]) == given


def test_it_names_no_other_place():
    text = page(resnet())
    assert {address for address in re.findall(r"\w+://[^\s\"'<>]*", text)} == {SVG}
    assert not re.search(r"\burl\((?!#)|@import|@font-face|sourceMappingURL", text)
    tags = Reader(text).tags
    assert not [attributes for _, attributes in tags if {"src", "srcset", "data"} & set(attributes)]
    assert {attributes["href"] for _, attributes in tags if "href" in attributes} == {"data:,"}


def test_only_its_own_scripts_may_run():
    text = page(resnet())
    [policy] = [attributes["content"] for _, attributes in Reader(text).tags
                if attributes.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'" and rules.pop("img-src") == "data:"

    def digests(texts):
        return [f"'sha256-{base64.b64encode(sha256(each.encode()).digest()).decode()}'"
                for each in texts]

    assert rules.pop("script-src").split() == digests(scripts(text)[0])
    styles = [style for tag, _, style in Reader(text).raw if tag == "style"]
    assert rules.pop("style-src").split() == digests(styles) and not rules


def test_it_carries_the_licence_of_the_layout():
    assert (LAYOUT / "LICENSE").read_text() in scripts(page(resnet()))[0][0]


def test_names_become_no_markup():
    """A page has the same elements and the same scripts, whatever its operators are called."""
    plain, hostile = (page(chain(names)) for names in (["a"], HOSTILE))
    assert Reader(hostile).tags == Reader(plain).tags
    assert scripts(hostile)[0] == scripts(plain)[0]
    hostile.encode()  # a lone surrogate has no bytes in UTF-8


def test_what_is_not_json_is_refused():
    with pytest.raises(TypeError, match="^Object of type set is not JSON serializable$"):
        page({**resnet(), "outputs": {1}})
