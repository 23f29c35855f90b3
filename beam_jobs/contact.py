"""Who asks: what servers are told, so that their owners can reach somebody."""

from __future__ import annotations

import os
from typing import Final, TypeVar

import msgspec

from obelics_pipeline.errors import ConfigError
from obelics_pipeline.fetch_types import FetchOptions

CONTACT: Final = "OBELICS_CONTACT"
"""The variable of the environment that stands in for ``images.contact``."""

Options = TypeVar("Options", bound=FetchOptions)


def with_contact(options: Options) -> Options:
    """The options with the contact of the environment if they have none; ``ConfigError`` if that is unusable."""
    try:
        return msgspec.structs.replace(options, contact=options.contact or os.environ.get(CONTACT, ""))
    except ValueError as error:
        raise ConfigError(f"{CONTACT}: {error}") from error
