"""A round trip by S3L2Adapter, the S3 storage of LMCache's multi-process mode: l2.py store|load SIZE

It is made as LMCache makes it, from JSON; LOBOS_L2 holds that. Two processes, as in engine.py.
"""

import argparse
import os
import select
import sys
import time

import shared
import torch
from lmcache.v1.distributed.api import ObjectKey
from lmcache.v1.distributed.l2_adapters import create_l2_adapter
from lmcache.v1.distributed.l2_adapters.config import parse_args_to_l2_adapters_config
from lmcache.v1.distributed.l2_adapters.s3_l2_adapter import S3L2Adapter
from lmcache.v1.memory_management import MemoryFormat, MemoryObjMetadata, TensorMemoryObj
from lmcache.v1.platform import consume_fd


def chunks(size, number=None):
    """Memory for all chunks, and one object for each; filled with the same bits in each process."""
    elements = torch.Size(shared.SHAPES[size]).numel()
    memory = torch.zeros((shared.COUNTS[size], elements), dtype=torch.bfloat16)
    if number is not None:
        some = torch.Generator().manual_seed(number)
        memory.view(torch.int16).random_(-(1 << 15), 1 << 15, generator=some)
    objects = []
    for raw in memory:
        named = {"shape": raw.shape, "dtype": raw.dtype, "address": raw.data_ptr()}
        named |= {"phy_size": 2 * elements, "fmt": MemoryFormat.KV_2LTD, "ref_count": 1}
        objects.append(TensorMemoryObj(raw, MemoryObjMetadata(**named), parent_allocator=None))
    return memory, objects


class Adapter:
    """The adapter, and waiting for its event descriptors as LMCache's controllers do."""

    def __init__(self, size):
        self.size, self.count = size, shared.COUNTS[size]
        self.bytes = torch.Size(shared.SHAPES[size]).numel() * 2
        words = argparse.Namespace(l2_adapter=[os.environ["LOBOS_L2"]])
        (config,) = parse_args_to_l2_adapters_config(words).adapters
        self.adapter = create_l2_adapter(config)
        assert isinstance(self.adapter, S3L2Adapter), self.adapter
        self.keys = self.named(range(self.count))

    def named(self, numbers):
        model = f"lobos/l2-{self.size.replace(' ', '')}"
        hashed = ObjectKey.IntHash2Bytes
        return [ObjectKey(chunk_hash=hashed(n), model_name=model, kv_rank=0) for n in numbers]

    def done(self, efd):
        poll = select.poll()
        poll.register(efd, select.POLLIN)
        assert poll.poll(shared.PATIENCE * 1000), "it took too long"
        consume_fd(efd)

    def lookup(self, keys):
        task = self.adapter.submit_lookup_and_lock_task(keys, {})
        self.done(self.adapter.get_lookup_and_lock_event_fd())
        bits = self.adapter.query_lookup_and_lock_result(task)
        self.adapter.submit_unlock(keys)
        return sum(bits.test(i) for i in range(len(keys)))

    def store(self):
        _, objects = chunks(self.size, 8)
        with shared.Clock() as clock:
            task = self.adapter.submit_store_task(self.keys, objects)
            self.done(self.adapter.get_store_event_fd())
        result = self.adapter.pop_completed_store_tasks()[task]
        assert result.is_successful(), "the store failed"
        self.say("store", clock, self.count, moved=True)

    def look_up(self, what, key, wanted):
        """One key after the other, each of them on the wire."""
        times = []
        with shared.Clock() as clock:
            for i in range(shared.LOOKUPS):
                self.adapter._object_size_cache.clear()
                start = time.perf_counter()
                found = self.lookup([key(i)])
                times.append(time.perf_counter() - start)
                assert found == wanted, f"{what}: {found} keys were found, not {wanted}"
        self.say(what, clock, shared.LOOKUPS, times=times)

    def load(self):
        missing = self.named(range(1 << 20, (1 << 20) + shared.LOOKUPS))
        self.look_up("lookup, miss", lambda i: missing[i], 0)
        self.look_up("lookup, hit", lambda i: self.keys[i % self.count], 1)
        self.adapter._object_size_cache.clear()
        found = self.lookup(self.keys)
        assert found == self.count, f"{found} of {self.count} keys were found"
        memory, objects = chunks(self.size)
        with shared.Clock() as clock:
            task = self.adapter.submit_load_task(self.keys, objects)
            self.done(self.adapter.get_load_event_fd())
        bits = self.adapter.query_load_result(task)
        assert all(bits.test(i) for i in range(self.count)), "not all were loaded"
        wanted, _ = chunks(self.size, 8)
        assert torch.equal(memory.view(torch.int16), wanted.view(torch.int16)), "other bytes"
        self.say("load", clock, self.count, moved=True)
        self.list_and_delete()

    def list_and_delete(self):
        """Pages of a listing name every key with its size; what is deleted is gone."""
        listed, cursor = [], None
        while True:
            page = self.adapter.list_l2_keys(self.keys[0].model_name, 10, cursor)
            listed += page.entries
            cursor = page.next_page_token
            if cursor is None:
                break
        wanted = {str(key.to_encoded_object_key()) for key in self.keys}
        assert {str(entry.key) for entry in listed} == wanted, "other keys were listed"
        assert {entry.size_bytes for entry in listed} == {self.bytes}, "other sizes were listed"
        self.adapter.delete(self.keys)
        self.adapter._object_size_cache.clear()
        assert self.lookup(self.keys) == 0, "deleted keys were found"

    def say(self, what, clock, count, moved=False, times=()):
        moved = self.bytes * self.count if moved else 0
        shared.say("S3L2Adapter", self.size, what, clock, count, moved, times)


if __name__ == "__main__":
    getattr(Adapter(sys.argv[2]), sys.argv[1])()
    shared.leave()
