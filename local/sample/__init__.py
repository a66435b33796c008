"""Write realistic documents of every generation, and later changes of them, as an application would."""

from local.sample.families import CONTAINERS, Sample
from local.sample.source import DATABASE, EMULATOR, PARTITION_KEYS, Source, write_changes

__all__ = ["CONTAINERS", "DATABASE", "EMULATOR", "PARTITION_KEYS", "Sample", "Source", "write_changes"]
