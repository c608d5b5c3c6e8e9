#!/usr/bin/env python3
"""Figures of docs/benchmarks.md: whole commands against a devnet, as a user would run them.

    cargo build --release && scripts/bench.py [--shards 100] [--sizes 1KiB,1MiB,100MiB] [--runs 5]
    scripts/bench.py --shards 1000 --sizes 8GiB --runs 1 --no-gateway --work /a/disk/with/room
    scripts/bench.py --writers 32 --size 16KiB [--seconds 10]
    scripts/bench.py --shards 1000 --sizes 8GiB --range 1MiB --work /a/disk/with/room

Prints a Markdown table: the median of the runs, MB/s (10^6 bytes), peak resident memory of the command and of the largest
node while blobs of that size were used, and processor time of the command and of all nodes, the least and the most. Each
run stores new random bytes. "encode" is `floe blob-id`, which computes all sliver hashes. "store" and "read" go through the
command line; "put" and "get" are curl and the gateway, and their memory is that of the process of gateway and chain. Files
and blobs are made, sent and compared in pieces; on disk a run needs 9 times its size, and 4.5 times more with the gateway.

With --writers: small blobs by clients that already run, each with one connection to the gateway that it keeps. First one
client alone, then all at once; the last columns are processor time for each operation, of the chain and the gateway
(one process), of all nodes together, and of this client.

With --range: one blob of each size is stored, and so many bytes out of the middle of it are read: what nodes send for that, first
when all of them are well, then when the one that holds the row is stopped and the row is rebuilt.
"""

import argparse, http.client, json, os, pathlib, shutil, signal, statistics, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size_of(text):
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(text[: -len(unit)]) * factor
    return int(text)


def timed(command, env):
    """Runs a command; gives its seconds, its peak memory in MiB, its standard output, and its seconds of processor time."""
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        if status != 0:
            sys.exit(f"{command} failed")
        out.seek(0)
        return seconds, usage.ru_maxrss / 1024, out.read(), usage.ru_utime + usage.ru_stime


def peak(pid):
    """Largest resident memory that a process had since the last reset, in MiB."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def node_peak(info):
    return max(peak(node["pid"]) for node in info["nodes"])


def check_room(work, size, runs, gateway_too):
    needed = size * (4.5 * runs * (2 if gateway_too else 1) + 4.5)
    free = shutil.disk_usage(work).free
    if needed > free:
        sys.exit(f"{needed / 2**30:.1f} GiB are needed in {work}, {free / 2**30:.1f} GiB are free: see --work and --runs")


def random_file(path, size):
    with open(path, "wb") as file:
        while size:
            size -= file.write(os.urandom(min(size, 1 << 24)))


def check_same(one, other):
    if subprocess.run(["cmp", one, other]).returncode:
        sys.exit("the blob came back changed")


def blob_id(result):
    new = result.get("newlyCreated")
    return new["blobObject"]["blobId"] if new else result["alreadyCertified"]["blobId"]


def row(what, size, samples, processor, memory, info):
    median = statistics.median(samples)
    rate = size / median / 1e6
    own, nodes = (f"{min(each):.1f}-{max(each):.1f}" for each in zip(*processor))
    print(f"| {what} | {median * 1000:.0f} ms | {min(samples) * 1000:.0f}-{max(samples) * 1000:.0f} | {rate:.1f} | {memory:.0f} | {node_peak(info):.0f} | {own} | {nodes} |", flush=True)


def measure(floe, info, env, work, name, runs, gateway_too):
    size = size_of(name)
    samples = {kind: [] for kind in ("encode", "store", "read", "put", "get")}
    memory, processor = {kind: 0 for kind in samples}, {kind: [] for kind in samples}
    path, back = work / "blob", work / "back"
    check_room(work, size, runs, gateway_too)
    for pid in [info["pid"], *(node["pid"] for node in info["nodes"])]:
        reset_peak(pid)
    nodes = [node["pid"] for node in info["nodes"]]

    def run(kind, command):
        # To replace a file costs the file system more than to write a new one.
        back.unlink(missing_ok=True)
        before = processor_seconds(nodes)
        seconds, mib, out, used = timed(command, env)
        samples[kind].append(seconds)
        processor[kind].append((used, processor_seconds(nodes) - before))
        memory[kind] = max(memory[kind], mib)
        return out

    for _ in range(runs):
        random_file(path, size)
        run("encode", [floe, "blob-id", path, "--n-shards", str(info["nShards"]), "--json"])
        out = run("store", [floe, "store", path, "--epochs", "2", "--json"])
        identity = blob_id(json.loads(out)[0]["blobStoreResult"])
        run("read", [floe, "read", identity, "-o", back, "--json"])
        check_same(path, back)
        if gateway_too:
            random_file(path, size)
            url, curl = info["gatewayUrl"] + "/v1/blobs", ["curl", "-sS", "--fail"]
            identity = blob_id(json.loads(run("put", [*curl, "-T", path, url + "?epochs=2"])))
            run("get", [*curl, "-o", back, url + "/" + identity])
            check_same(path, back)
            for kind in ("put", "get"):
                memory[kind] = peak(info["pid"])
    for kind, values in samples.items():
        if values:
            row(f"{kind} {name}", size, values, processor[kind], memory[kind], info)


def processor_seconds(pids):
    ticks = 0
    for pid in pids:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Client:
    """One connection to the gateway, kept open."""

    def __init__(self, info):
        self.connection = http.client.HTTPConnection(info["gatewayUrl"].removeprefix("http://"))

    def ask(self, method, path, body=None):
        """Gives the seconds and the body of the answer."""
        began = time.perf_counter()
        self.connection.request(method, path, body)
        response = self.connection.getresponse()
        answer = response.read()
        seconds = time.perf_counter() - began
        if response.status != 200:
            sys.exit(f"{method} {path}: {response.status} {answer[:300]}")
        return seconds, answer

    def put(self, size, stored):
        body = os.urandom(size)
        seconds, answer = self.ask("PUT", "/v1/blobs?epochs=2", body)
        result = json.loads(answer)
        if result["newlyCreated"]["blobObject"]["certifiedEpoch"] is None:
            sys.exit("answered before it was certified")
        stored.append((blob_id(result), body))
        return seconds

    def get(self, stored):
        identity, body = stored[int.from_bytes(os.urandom(4)) % len(stored)]
        seconds, answer = self.ask("GET", "/v1/blobs/" + identity)
        if answer != body:
            sys.exit("the blob came back changed")
        return seconds


def in_parallel(info, clients, seconds, work):
    """Runs work(client) over and over, on so many threads; prints a row about it."""
    samples, everyone = [], {"chain and gateway": [info["pid"]], "nodes": [n["pid"] for n in info["nodes"]], "client": [os.getpid()]}

    def run(client):
        while time.monotonic() < end:
            samples.append(work(client))

    before = {name: processor_seconds(pids) for name, pids in everyone.items()}
    began = time.monotonic()
    end = began + seconds
    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    used = [(processor_seconds(pids) - before[name]) / len(samples) * 1000 for name, pids in everyone.items()]
    samples.sort()
    at = lambda share: samples[int(len(samples) * share)] * 1000
    return len(samples) / took, at(0.5), at(0.99), used


def measure_small(info, name, writers, seconds):
    size, stored = size_of(name), []
    clients = [Client(info) for _ in range(writers)]
    print("| work | clients | per second | median | 99% | ms of chain and gateway | of nodes | of client |")
    print("|---|---|---|---|---|---|---|---|")
    put = lambda client: client.put(size, stored)
    get = lambda client: client.get(stored)
    for _ in range(3):
        put(clients[0])
    for what, work in (("put", put), ("get", get)):
        for some in (clients[:1], clients) if writers > 1 else (clients,):
            rate, median, late, used = in_parallel(info, some, seconds, work)
            used = " | ".join(f"{value:.1f}" for value in used)
            print(f"| {what} {name} | {len(some)} | {rate:.0f} | {median:.1f} ms | {late:.0f} ms | {used} |", flush=True)


def bytes_read(pid):
    """Bytes that a process has read so far."""
    return int(open(f"/proc/{pid}/io").readline().split()[1])


def read_part(floe, info, env, work, name, part):
    """Reads a part of a new blob, with all nodes and without the one that gives it."""
    size, length, path, back = size_of(name), size_of(part), work / "blob", work / "back"
    check_room(work, size, 1, False)
    random_file(path, size)
    _, _, out, _ = timed([floe, "store", path, "--epochs", "2", "--json"], env)
    identity = blob_id(json.loads(out)[0]["blobStoreResult"])
    start = size // 2 // 4096 * 4096
    with open(path, "rb") as file:
        file.seek(start)
        expected = file.read(length)
    command = [floe, "read", identity, "--start", str(start), "--length", part, "-o", back, "--json"]

    def read(state):
        before = {node["pid"]: bytes_read(node["pid"]) for node in info["nodes"]}
        seconds, mib, report, _ = timed(command, env)
        if back.read_bytes() != expected:
            sys.exit("the part came back changed")
        received = json.loads(report)["receivedBytes"]
        print(f"| {part} of {name} | {state} | {seconds * 1000:.0f} ms | {received / 1048576:.2f} | {mib:.0f} |", flush=True)
        return max(before, key=lambda pid: bytes_read(pid) - before[pid])

    # Whoever read most from its disk holds the row: all of it is read to prove the symbols.
    holder = read("all nodes well")
    os.kill(holder, signal.SIGSTOP)
    try:
        read("its holder stopped")
    finally:
        os.kill(holder, signal.SIGCONT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--floe", default=ROOT / "target/release/floe")
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--sizes", default="1KiB,1MiB,100MiB")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-gateway", action="store_true", help="leave out put and get")
    parser.add_argument("--work", help="folder on the disk to use, for files, slivers and spools")
    parser.add_argument("--writers", type=int, help="small blobs by so many clients at once, instead of the above")
    parser.add_argument("--size", default="16KiB", help="of those")
    parser.add_argument("--range", help="read so many bytes out of a blob of each size, instead of the above")
    parser.add_argument("--seconds", type=float, default=10, help="time for each of those rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = pathlib.Path(folder)
        env = dict(os.environ, XDG_DATA_HOME=folder, TMPDIR=folder)
        env.pop("FLOE_CONFIG", None)
        command = [options.floe, "devnet", "--json", "--dir", work / "net"]
        command += ["--nodes", str(options.nodes), "--shards", str(options.shards)]
        devnet = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        try:
            text = ""
            for line in devnet.stdout:
                text += line
                if line.startswith("}"):
                    break
            info = json.loads(text)
            print(f"{options.nodes} nodes, {options.shards} shards, {os.cpu_count()} cores, {options.runs} runs\n")
            if options.writers:
                return measure_small(info, options.size, options.writers, options.seconds)
            if options.range:
                print("| read | nodes | time | MiB received | peak MiB, command |")
                print("|---|---|---|---|---|")
                for name in options.sizes.split(","):
                    read_part(options.floe, info, env, work, name, options.range)
                return
            print("| work | median | min-max ms | MB/s | peak MiB, command | peak MiB, largest node | processor s, command | of nodes |")
            print("|---|---|---|---|---|---|---|---|")
            for name in options.sizes.split(","):
                measure(options.floe, info, env, work, name, options.runs, not options.no_gateway)
        finally:
            devnet.send_signal(signal.SIGINT)
            devnet.wait()


main()
