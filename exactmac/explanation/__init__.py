"""Whose answer a model's hardware gives, operator by operator."""

from exactmac.explanation.data import Explanation
from exactmac.explanation.session import SAMPLES, Request, Session, begin, explain

__all__ = ["SAMPLES", "Explanation", "Request", "Session", "begin", "explain"]
