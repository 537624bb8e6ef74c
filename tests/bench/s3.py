"""Upload to an S3 store that others wrote, on loopback, against rclone and boto3; and what is sent again after breaks."""

import asyncio
import secrets
import shutil
import subprocess
from functools import partial
from pathlib import Path

import msgspec

from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.settings import MIB
from dockd.clock import SystemClock
from tests.bench.breaks import sent_again
from tests.bench.figures import Figure, Part, at_least, at_most, told
from tests.bench.measuring import Runs, Took, command, cool_down
from tests.bench.occasion import Occasion
from tests.bench.upload import client, order_for
from tests.bench.uploaders import Order
from tests.contract.stands.s3 import make_bucket, settings
from tests.sim.cut_link import CutLink
from tests.sim.foreign_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, Seaweed
from tests.sim.foreign_server import PEERS

STORE, PROVE, RCLONE, BOTO3 = "dockd: store", "dockd: store, then prove", "rclone copyto", "boto3 upload_file"
_SCRIPT = Path(__file__).parents[2] / "packaging" / "peers" / "boto3_client.py"


def _rclone(order: Order) -> Took:
    access = ("--s3-access-key-id", ACCESS_KEY, "--s3-secret-access-key", SECRET_KEY)
    store = ("--s3-provider", "SeaweedFS", "--s3-endpoint", order.files_url, "--s3-no-check-bucket", *access)
    # Older ones stop at a bundle of authorities in the environment, which loopback has no use for.
    quiet = ("env", "-u", "AWS_CA_BUNDLE", "rclone", "--config", "/dev/null", "--log-level", "ERROR")
    return command(*quiet, *store, "copyto", order.path, f":s3:{BUCKET}/rclone/{secrets.token_hex(16)}")


def _boto3(order: Order) -> Took:
    where = (order.files_url, ACCESS_KEY, SECRET_KEY, BUCKET, f"boto3/{secrets.token_hex(16)}", order.path)
    answer = subprocess.run([PEERS / "bin" / "python", _SCRIPT, *where], stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(answer.stdout, type=Took)


def measure(occasion: Occasion, *, size_bytes: int, breaks: int) -> Part:
    """Every client once in each round, after one round that does not count."""
    work, rounds = occasion.work, occasion.rounds
    took: dict[str, list[Took]] = {}
    with Seaweed(work / "store") as store:
        asyncio.run(make_bucket(store.url))
        order, small = (order_for(work / name, size, store.url) for name, size in (("file", size_bytes), ("small", 32 * MIB)))
        contenders = {
            STORE: partial(client, "dockd-s3", order),
            PROVE: partial(client, "dockd-s3-prove", order),
            RCLONE: partial(_rclone, order),
            BOTO3: partial(_boto3, order),
        }
        _rclone(order)
        for number in range(rounds):
            occasion.say(f"s3: round {number + 1} of {rounds}")
            for name, run in contenders.items():
                cool_down()
                took.setdefault(name, []).append(run())
        little = client("dockd-s3", small).peak_rss_bytes
        again_bytes, part_bytes = asyncio.run(_sent_again(store, work, breaks))
    shutil.rmtree(work)
    runs = {name: Runs(each) for name, each in took.items()}
    what = (
        f"One file of {size_bytes >> 20} MiB to SeaweedFS in another process on this machine, with SHA-256 of each part checked "
        f"there, {occasion.caches}; {rounds} rounds, medians. Then one file whose connection is broken {breaks} times."
    )
    figures = [
        *_figures(runs, size_bytes),
        at_most("memory of dockd's client, as share of that for 32 MiB", runs[STORE].peak_rss_bytes / little, 1.1, "x"),
        at_most("sent again after each break, in parts", again_bytes / breaks / part_bytes, 1.0, "parts", below="under"),
    ]
    return Part("s3", what, figures, occasion.quick, runs)


def _figures(runs: dict[str, Runs], size_bytes: int) -> list[Figure]:
    best_s = min(runs[RCLONE].median_s, runs[BOTO3].median_s)
    gib = size_bytes / 2**30
    return [
        at_least("rate, as share of the better of rclone and boto3", best_s / runs[STORE].median_s, 0.9, "x"),
        told("rate, as share of rclone copyto", runs[RCLONE].median_s / runs[STORE].median_s, "x"),
        told("rate, as share of boto3 upload_file", runs[BOTO3].median_s / runs[STORE].median_s, "x"),
        told("rate with proof, as share of the better of the two, which prove nothing", best_s / runs[PROVE].median_s, "x"),
        *(told(f"processor time of {name}", runs[name].median_cpu_s / gib, "CPU-s/GiB") for name in (STORE, RCLONE, BOTO3)),
        told("rate of dockd's client", size_bytes / 2**20 / runs[STORE].median_s, "MiB/s"),
    ]


async def _sent_again(store: Seaweed, work: Path, breaks: int) -> tuple[int, int]:
    """Bytes on the wire beyond the recording's own while its upload is broken so often, and the size of a part."""
    async with CutLink(store.port) as link:
        sets = settings(f"http://127.0.0.1:{link.port}")
        archive = S3Archive(sets, SystemClock())
        again_bytes = await sent_again(link, archive, work, breaks=breaks, part_bytes=sets.part_bytes, dock=sets.dock)
        return again_bytes, sets.part_bytes
