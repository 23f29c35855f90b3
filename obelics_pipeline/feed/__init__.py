"""The feed: a dataset as training takes it. In random order, from many readers, resumed exactly, packed into sequences.

from obelics_pipeline.feed import Feed
for sample in Feed("export/dataset", seed=17, rank=0, world=8): ...
"""

from obelics_pipeline.feed.feed import Feed
from obelics_pipeline.feed.ledger import Ledger
from obelics_pipeline.feed.options import FeedOptions
from obelics_pipeline.feed.packing import Packing, Sequence
from obelics_pipeline.feed.packing_options import PRESETS, PackOptions
from obelics_pipeline.feed.sample import Cursor, Image, Sample
from obelics_pipeline.feed.state import merged

__all__ = [
    "PRESETS",
    "Cursor",
    "Feed",
    "FeedOptions",
    "Image",
    "Ledger",
    "PackOptions",
    "Packing",
    "Sample",
    "Sequence",
    "merged",
]
