"""What a checkpoint may ask for before it is trusted: bytes to read, and memory to build the ranker that it describes.

Whoever can write a folder can also write a manifest whose hashes fit. Such a stranger may at most be refused: files are
read up to a limit, and a ranker is built only as large as the weights that came with it.
"""

import os
import stat
from pathlib import Path

from models.feature_schema import FeatureSchema
from models.ranker_config import RankerConfig

__all__ = ["MAX_MANIFEST_BYTES", "MAX_WEIGHTS_BYTES", "check_size", "read_file"]

# The default ranker's manifest has 10 kB, and its weights have 1 MB; a table of ten million ids of 16 has 0.7 GB.
MAX_MANIFEST_BYTES = 16 << 20
MAX_WEIGHTS_BYTES = 4 << 30
# Of every width and number but the rows of the id table.
MAX_WIDTH = 65_536


def read_file(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file. Raises OSError for anything else, or for more than `max_bytes`."""
    # Not to wait for a writer where somebody put a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(f"{path.name} is not a regular file")
        if facts.st_size > max_bytes:
            raise OSError(f"{path.name} has {facts.st_size} bytes, must have at most {max_bytes}")
        return file.read(max_bytes)


def check_size(config: RankerConfig, schema: FeatureSchema, num_tasks: int, num_weights: int) -> None:
    """Raises ValueError unless a ranker of this shape has no more weights than came with it (`num_weights`)."""
    widths = {
        "num_shared_experts": config.num_shared_experts,
        "expert_hidden": config.expert_hidden,
        "expert_width": config.expert_width,
        "tower_width": config.tower_width,
        "num_positions": config.num_positions,
        "taste_columns": config.taste_columns,
        "id_width": config.id_width,
        "attention_width": config.attention_width,
    }
    for name, width in {**widths, "id_rows": config.id_rows}.items():
        if type(width) is not int or not 0 <= width <= (num_weights if name == "id_rows" else MAX_WIDTH):
            raise ValueError(f"{name}: found {width!r}, must be a whole number that {num_weights} weights allow")
    hidden = (config.num_shared_experts + len(config.expert_groups)) * config.expert_hidden
    inputs = len(schema.item) + config.attention_width + (config.id_width if config.id_rows else 0)
    needed = {
        "experts": hidden * config.expert_width if config.architecture != "shared_bottom" else 0,
        "first layer": hidden * inputs if config.architecture != "shared_bottom" else 0,
        "towers": num_tasks * config.expert_width * config.tower_width,
        "positions": config.num_positions,
        "ids": config.id_rows * config.id_width,
        "thresholds": len(config.threshold_s),
    }
    for part, number in needed.items():
        if number > num_weights:
            raise ValueError(f"{part}: at least {number} weights by its shape, but {num_weights} came with it")
