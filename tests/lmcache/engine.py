"""A round trip by LMCacheEngine, RemoteBackend and S3Connector: engine.py store|load SIZE

`store` and `load` are two processes, as two instances of vLLM: what is looked up is not remembered.
The configuration comes from LMCACHE_CONFIG_FILE. Memory of the CPU stands for that of the GPU.
"""

import asyncio
import sys
import threading
import time

import shared
import torch
from lmcache.v1.cache_engine import LMCacheEngineBuilder
from lmcache.v1.config import load_engine_config_with_overrides
from lmcache.v1.gpu_connector.mock_gpu_connector import MockGPUConnector
from lmcache.v1.metadata import LMCacheMetadata
from lmcache.v1.storage_backend.connector.instrumented_connector import InstrumentedRemoteConnector
from lmcache.v1.storage_backend.connector.s3_connector import S3Connector
from lmcache.v1.storage_backend.remote_backend import RemoteBackend


class Memory(MockGPUConnector):
    """KV caches in main memory, [K and V, layers, tokens, heads * size], where a GPU's would be."""

    def __init__(self, shape, tokens):
        super().__init__(shape)
        layers, pair, _, heads, size = shape
        self.kv = torch.zeros((pair, layers, tokens, heads * size), dtype=torch.bfloat16)

    def fill(self):
        """Every bit pattern, also those that are no numbers; the same in each process."""
        some = torch.Generator().manual_seed(8)
        bits = self.kv.view(torch.int16)
        bits.random_(-(1 << 15), 1 << 15, generator=some)

    def batched_from_gpu(self, memory_objs, starts, ends, **_):
        for chunk, start, end in zip(memory_objs, starts, ends, strict=True):
            chunk.tensor.copy_(self.kv[:, :, start:end])

    def batched_to_gpu(self, memory_objs, starts, ends, **_):
        for chunk, start, end in zip(memory_objs, starts, ends, strict=True):
            self.kv[:, :, start:end].copy_(chunk.tensor)


class Scheduler:
    """Takes what the worker tells vLLM's scheduler: how many tokens were found and loaded."""

    def __init__(self):
        self.told = threading.Event()
        self.tokens = None

    def send_response_to_scheduler(self, lookup_id, tokens):
        self.tokens = tokens
        self.told.set()


class Engine:
    """The engine, and the parts of it that are looked at."""

    def __init__(self, size):
        self.size, self.count, shape = size, shared.COUNTS[size], shared.SHAPES[size]
        self.bytes = torch.Size(shape).numel() * 2
        self.tokens = [t % 32000 for t in range(self.count * shared.TOKENS)]
        config = load_engine_config_with_overrides()
        metadata = LMCacheMetadata(
            model_name=f"lobos/kv-{size.replace(' ', '')}",
            world_size=1,
            local_world_size=1,
            worker_id=0,
            local_worker_id=0,
            kv_dtype=torch.bfloat16,
            kv_shape=shape,
            role="worker",
            chunk_size=config.chunk_size,
        )
        self.memory, self.scheduler = Memory(shape, len(self.tokens)), Scheduler()
        build = LMCacheEngineBuilder.get_or_create
        self.engine = build("lobos", config, metadata, self.memory, lambda *_: None, lambda x, _: x)
        self.engine.post_init(async_lookup_server=self.scheduler)
        backends = self.engine.storage_manager.storage_backends.values()
        (self.remote,) = [b for b in backends if isinstance(b, RemoteBackend)]
        connector = self.remote.connection
        if isinstance(connector, InstrumentedRemoteConnector):
            connector = connector._connector
        assert isinstance(connector, S3Connector), connector
        self.connector = connector

    def store(self):
        """Stores all, and ends when the last PUT was answered."""
        self.memory.fill()
        with shared.Clock() as clock:
            self.engine.store(self.tokens)
            shared.wait_until(lambda: not self.remote.put_tasks, "the store")
        assert self.remote.put_failed_count == 0, "a put failed"
        found = len(self.connector.object_size_cache)
        assert found == self.count, f"{found} of {self.count} chunks were stored"
        self.say("store", clock, self.count, moved=True)

    def look_up(self, what, tokens, wanted):
        """Single chunks, HEAD by HEAD as LMCache does it, each of them on the wire."""
        times = []
        with shared.Clock() as clock:
            for i in range(shared.LOOKUPS):
                self.connector.object_size_cache.clear()
                chunk = tokens(i)
                start = time.perf_counter()
                found = self.engine.lookup(chunk)
                times.append(time.perf_counter() - start)
                assert found == wanted, f"{what}: {found} tokens were found, not {wanted}"
        self.say(what, clock, shared.LOOKUPS, times=times)

    def load(self):
        """Looks all chunks up and loads them, as vLLM does before and after it schedules."""
        missing = lambda i: [40000 + i] * shared.TOKENS  # noqa: E731
        self.look_up("lookup, miss", missing, 0)
        self.look_up("lookup, hit", lambda _: self.tokens[: shared.TOKENS], shared.TOKENS)
        self.connector.object_size_cache.clear()
        assert self.engine.lookup(self.tokens) == len(self.tokens), "not all tokens were found"
        wanted = Memory(shared.SHAPES[self.size], len(self.tokens))
        wanted.fill()
        with shared.Clock() as clock:
            self.engine.async_lookup_and_prefetch("first", self.tokens)
            assert self.scheduler.told.wait(shared.PATIENCE), "the load took too long"
        assert self.scheduler.tokens == len(self.tokens), f"{self.scheduler.tokens} were loaded"
        mask = self.engine.retrieve(self.tokens, req_id="first")
        assert bool(mask.all()), f"{int(mask.sum())} of {len(self.tokens)} tokens were retrieved"
        same = torch.equal(self.memory.kv.view(torch.int16), wanted.kv.view(torch.int16))
        assert same, "other bytes came back"
        self.say("load", clock, self.count, moved=True)

    def say(self, what, clock, count, moved=False, times=()):
        moved = self.bytes * self.count if moved else 0
        shared.say("S3Connector", self.size, what, clock, count, moved, times)


if __name__ == "__main__":
    getattr(Engine(sys.argv[2]), sys.argv[1])()
    shared.leave()
