#!/usr/bin/env python3
"""The tables of docs/benchmarks-code.md: how fast the code is beside the plain baseline.

    cargo build --release -p floe-cli && scripts/bench_code.py [--sizes 1KiB,1MiB] [--large] [--floe target/release/floe]

Runs `floe bench code` for many sizes and prints Markdown. Without --large it takes about four minutes on a quiet machine, with
it (256 MiB and 1 GiB; 12 GiB of memory) about twice that; those alone with --sizes 256MiB,1GiB --no-small. A ratio is the
median time of the plain code, which has one thread, by that of ours; in brackets, the same with processor time, which other
work on the machine disturbs less. Ratios of small networks are the least of all works at that size.
"""

import argparse, json, os, pathlib, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Work, and the ratio asked for by size and threads.
GOALS = {
    "blob id and metadata": {"1KiB": (7, 13), "64KiB": (7, 13), "1MiB": (7, 13)},
    "encode": {"1MiB": (7, 13), "32MiB": (4, 8), "256MiB": (4, 7), "1GiB": (4, 7)},
    "read the first rows, verified": {},
    "decode the last rows, checked": {"1MiB": (40, None), "32MiB": (4, 7), "256MiB": (4, 7)},
    "verify the pairs of a node": {"1MiB": (6, 10), "32MiB": (6, 10)},
    "rebuild the pairs of a node": {"1MiB": (4, 7), "32MiB": (4, 7)},
}
SMALL = [4, 5, 7, 10, 16, 31]
SMALL_SIZES = ["1KiB", "64KiB", "1MiB", "largest"]


def bench(floe, shards, size, threads, runs, level=None):
    """One report, or None if the blob does not fit so few shards."""
    command = [floe, "bench", "code", "--n-shards", str(shards), "--size", size, "--threads", str(threads)]
    env = dict(os.environ, **({"FLOE_SIMD": level} if level else {}))
    done = subprocess.run(command + ["--runs", str(runs), "--json"], env=env, capture_output=True, text=True)
    print(f"{time.strftime('%X')} {shards} {size} {threads} {level or ''}", file=sys.stderr)
    if done.returncode and "too large" in done.stdout + done.stderr:
        return None
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout)


def largest(shards):
    """Bytes of the largest blob that fits."""
    faulty = (shards - 1) // 3
    return (shards - 2 * faulty) * (shards - faulty) * 65534


def row(cells):
    print("| " + " | ".join(cells) + " |")


def head(cells):
    row(cells)
    row(["---"] * len(cells))


def ratio(work):
    if work["ratio"] is None:
        return "–"
    processor = work.get("processorRatio")
    return f"{work['ratio']:.1f}" + (f" ({processor:.1f})" if processor else "")


def large_network(floe, sizes, threads, level=None):
    reports = {size: bench(floe, 1000, size, threads, runs(size), level) for size in sizes}
    any_report = next(iter(reports.values()))
    print(f"\n1000 shards, {any_report['simd']}, {threads} thread{'s' * (threads > 1)}: "
          "ms, MB/s, ratio (by processor time), goal, peak MiB\n")
    head(["work"] + sizes)
    for number, work in enumerate(any_report["works"]):
        name, cells = work["work"], []
        for size in sizes:
            work = reports[size]["works"][number]
            floe_ = work["floe"]
            goal = GOALS[name].get(size, (None, None))[threads - 1] if level is None else None
            mark = "" if goal is None else f", goal {goal}" + ("" if (work["ratio"] or 0) >= goal else " **missed**")
            peak = (floe_.get("peakBytes") or 0) / 1048576
            speed = f"{floe_['medianMs']:.1f} ms, {floe_['mbPerS']:.0f} MB/s"
            floor = work.get("floor")
            part = f", {floor['reached']:.0%} of {floor['what']}" if floor else ""
            cells.append(f"{speed}, **{ratio(work)}**{mark}{part}, {peak:.0f} MiB")
        row([name] + cells)


def runs(size):
    return {"256MiB": 3, "1GiB": 1}.get(size, 5)


def small_networks(floe):
    print("\nSmall networks: the least ratio of all works, and which work it is\n")
    head(["shards, threads"] + SMALL_SIZES)
    for shards in SMALL:
        for threads in (1, 2):
            cells = []
            for size in SMALL_SIZES:
                report = bench(floe, shards, str(largest(shards)) if size == "largest" else size, threads, 9)
                if report is None:
                    cells.append("does not fit")
                    continue
                least = min(report["works"], key=lambda work: work["ratio"])
                cells.append(f"{least['ratio']:.2f} {least['work']}")
            row([f"{shards}, {threads}"] + cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--floe", default=str(ROOT / "target/release/floe"))
    parser.add_argument("--sizes", default="1KiB,64KiB,1MiB,32MiB")
    parser.add_argument("--large", action="store_true", help="256 MiB and 1 GiB, too")
    parser.add_argument("--no-small", action="store_true", help="leave out small networks")
    options = parser.parse_args()
    sizes = options.sizes.split(",") + (["256MiB", "1GiB"] if options.large else [])
    for threads in (1, 2):
        large_network(options.floe, sizes, threads)
    avx2_sizes = [size for size in ("1MiB", "32MiB") if size in sizes]
    if avx2_sizes:
        large_network(options.floe, avx2_sizes, 1, "avx2")
    if not options.no_small:
        small_networks(options.floe)


if __name__ == "__main__":
    main()
