"""The page of a study: what it carries, and that it loads nothing."""

import base64
import json
import re
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs

from exactmac.study.page import page
from tests.exactmac.study.example import study


class Reader(HTMLParser):
    """Tags with their attributes, and the scripts with theirs."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = kind, text + data


@pytest.fixture(scope="module")
def read():
    return Reader(page(study()))


def test_it_carries_the_study(read):
    [data] = [text for kind, text in read.scripts if kind == "application/json"]
    assert json.loads(data) == study()


def test_it_carries_plotly_and_loads_nothing(read):
    plots, own = (text for kind, text in read.scripts if kind != "application/json")
    assert plots == get_plotlyjs()
    assert set(re.findall(r"\w+://[^\s\"]*", own)) == {"http://www.w3.org/2000/svg"}
    assert not [attributes for _, attributes in read.tags if {"src", "srcset"} & set(attributes)]
    assert {attributes["href"] for _, attributes in read.tags if "href" in attributes} == {"data:,"}


def test_only_its_own_scripts_may_run(read):
    [policy] = [attributes["content"] for _, attributes in read.tags
                if attributes.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data: blob:"
    assert rules["script-src"].split() == [
        f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
        for kind, text in read.scripts if kind != "application/json"]


def test_what_is_not_json_is_refused():
    with pytest.raises(ValueError, match="^Out of range float values are not JSON compliant"):
        page(study(shape=float("nan")))
