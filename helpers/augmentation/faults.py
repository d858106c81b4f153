"""How asking can fail: for good, for this model, for this request, or for a moment."""

from __future__ import annotations

from datetime import datetime


class ProviderError(RuntimeError):
    """Nothing to be had before the user changes something. Shown in a notebook as its one line, without a traceback."""

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


class ModelUnavailable(Exception):
    """A model that answers no more in this run; `when` says when it will, where that is known."""

    def __init__(self, message: str, when: datetime | None = None):
        super().__init__(message)
        self.when = when


class NoAnswer(Exception):
    """The provider answered this request with nothing to use."""


class NotRecorded(Exception):
    """There is no recorded answer to this request, so nothing was asked."""


class Passing(Exception):
    """A failure of the moment: the same request may succeed `seconds` later, or after a growing pause where they are None."""

    def __init__(self, trouble: str, seconds: float | None = None):
        super().__init__(trouble)
        self.seconds = seconds


class TooLarge(Passing):
    """The request would succeed if it were shorter: with `share` of its story."""

    def __init__(self, share: float):
        super().__init__("too large for the provider", 0)
        self.share = share
