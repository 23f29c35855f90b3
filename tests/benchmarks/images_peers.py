"""One downloader of images, measured by itself: the other end of tests/benchmarks/images.py.

``python images_peers.py SUBJECT URLS`` downloads the addresses in the file URLS, one a line, and prints how many
arrived whole and the seconds and processor seconds it took, with its child processes, as JSON. It runs where the
downloader is installed, so it imports only the standard library until it knows the subject.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

Download = Callable[[Path], int]
"""Downloads what a file lists and tells how many images arrived whole."""

AT_ONCE = 256


def name_of(url: str) -> str:
    """The SHA-256 of the image at ``url``: the server names its images so."""
    return url.rsplit("/", 1)[1].partition("?")[0]


def ours() -> Download:
    """Downloads, checks of the whole image, hashes of bytes and looks."""
    from obelics_pipeline import decoder
    from obelics_pipeline.fetch import FetchOptions, fetch_images

    options = FetchOptions(allow_private=True, ports=(), concurrency=AT_ONCE, per_host=AT_ONCE)

    def run(listed: Path) -> int:
        results = fetch_images(listed.read_text().split(), options)
        whole = sum(result.sha256 == name_of(result.url) for result in results if result.status == "ok")
        decoder.close()  # only children that have ended are counted
        return whole

    return run


def with_img2dataset() -> Download:
    """The same, but img2dataset asks: between our walls, with our checks, in a process of its own."""
    from obelics_pipeline import decoder
    from obelics_pipeline.engine import Engine
    from obelics_pipeline.fetch import FetchOptions
    from obelics_pipeline.img2dataset import fetch_images

    options = FetchOptions(allow_private=True, ports=(), concurrency=AT_ONCE, per_host=AT_ONCE)
    engine = Engine(python=os.environ["OBELICS_IMG2DATASET"])

    def run(listed: Path) -> int:
        results = fetch_images(listed.read_text().split(), options, engine=engine)
        whole = sum(result.sha256 == name_of(result.url) for result in results if result.status == "ok")
        decoder.close()
        return whole

    return run


def img2dataset(**options: object) -> Download:
    """One process of it, which writes what it got to files of Parquet."""
    from img2dataset import download

    def run(listed: Path) -> int:
        with TemporaryDirectory() as folder:
            download(
                url_list=str(listed),
                input_format="txt",
                output_folder=folder,
                output_format="parquet",
                processes_count=1,
                thread_count=AT_ONCE,
                number_sample_per_shard=10_000,
                compute_hash="sha256",
                **options,
            )
            import pyarrow.parquet as pq

            rows = [
                row
                for path in sorted(Path(folder).glob("*.parquet"))
                for row in pq.read_table(path, columns=["url", "sha256", "status"]).to_pylist()
            ]
        return sum(row["sha256"] == name_of(row["url"]) for row in rows if row["status"] == "success")

    return run


SUBJECTS: dict[str, Callable[[], Download]] = {
    "ours": ours,
    "fetcher: img2dataset": with_img2dataset,
    # as OBELICS had it: every image decoded and encoded anew
    "img2dataset": lambda: img2dataset(resize_mode="no"),
    # the least that it can do: nothing is checked, no image is decoded
    "img2dataset, bytes as they are": lambda: img2dataset(disable_all_reencoding=True),
}


OURS = ("ours", "fetcher: img2dataset")
"""Those that run by our Python."""


def used() -> float:
    """Processor seconds of this process and of its children that ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    """Download all on one core."""
    subject, listed = sys.argv[1:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    run = SUBJECTS[subject]()
    before, started = used(), time.perf_counter()
    whole = run(Path(listed))
    seconds = time.perf_counter() - started
    figures = {"whole": whole, "seconds": seconds, "cpu": used() - before}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
