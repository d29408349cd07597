"""RocksDB settings for state and feature rows: many small databases in one process share one budget of memory.

A worker holds three databases per partition. RocksDB's defaults (64 MiB of write buffers and 32 MiB of cache for each)
would make the number of partitions decide the size of the process.
"""

from functools import cache

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager

__all__ = ["RocksMemory", "memory_of_process"]

MIB = 1 << 20
_CACHE_BYTES, _WRITE_BUFFERS_BYTES = 96 * MIB, 64 * MIB
# One database's write buffer, and its share of the log that a crash replays and a reader opens.
_WRITE_BUFFER_BYTES, _LOG_BYTES = 4 * MIB, 16 * MIB


class RocksMemory:
    """The block cache and the write buffers that databases of a process share. Write buffers count as cache."""

    def __init__(self) -> None:
        self._cache = Cache(_CACHE_BYTES)
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            _WRITE_BUFFERS_BYTES, allow_stall=False, cache=self._cache
        )

    def options(self) -> Options:
        """Options of one database: raw bytes, a shared budget, files that stay open so that a reader can follow."""
        tables = BlockBasedOptions()
        tables.set_block_cache(self._cache)
        tables.set_cache_index_and_filter_blocks(True)
        tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
        # Most look-ups of a growing site are for users never seen: they end here instead of at the disk.
        tables.set_bloom_filter(10, block_based=False)
        options = Options(raw_mode=True)
        options.create_if_missing(create_if_missing=True)
        options.set_block_based_table_factory(tables)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(2)
        options.set_max_total_wal_size(_LOG_BYTES)
        options.set_compression_type(DBCompressionType.lz4())
        # A secondary must keep the files it reads although the owner has removed them.
        options.set_max_open_files(-1)
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(MIB)
        options.set_stats_dump_period_sec(0)
        return options


@cache
def memory_of_process() -> RocksMemory:
    """What everything in this process shares."""
    return RocksMemory()
