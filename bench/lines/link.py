"""A network of two: network namespaces with a TUN device each, and this process as the line between them.

    python3 link.py NAME        (as root; it makes NAME-server and NAME-client, and takes them away at its end)

10.77.0.1 is the server's, 10.77.0.2 the client's. Lines on standard input say what the line does from then on:

    delay MS     each packet takes so long          loss PERCENT   so many packets are lost, in each direction
    reorder P    P % of the packets take 20 ms more silent         nothing gets through
    heal         everything gets through            address        the client has 10.77.0.3 instead, from one moment to the next
    end
"""
import ctypes, fcntl, heapq, os, random, select, struct, subprocess, sys, time

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
name = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)


def ip(*args, namespace=None):
    subprocess.run(["ip", *(["-n", namespace] if namespace else []), *args], check=True)


def open_tun(namespace, address):
    ip("netns", "add", namespace)
    with open(f"/var/run/netns/{namespace}") as there, open("/proc/self/ns/net") as here:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN | IFF_NO_PI))
        libc.setns(here.fileno(), CLONE_NEWNET)
    for args in (["addr", "add", f"{address}/24", "dev", "line"], ["link", "set", "line", "up"], ["link", "set", "lo", "up"]):
        ip(*args, namespace=namespace)
    return tun


def run(server, client):
    other = {server: client, client: server}
    line = {"delay": 0.0, "loss": 0.0, "reorder": 0.0, "silent": False}
    waiting, count = [], 0
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for ready in select.select([server, client, sys.stdin.fileno()], [], [], pause)[0]:
            if ready == sys.stdin.fileno():
                words = os.read(ready, 4096).decode()
                if words == "":
                    return
                for what, *rest in (words.split() for words in words.splitlines() if words.strip()):
                    if what == "end":
                        return
                    elif what in ("silent", "heal"):
                        line["silent"] = what == "silent"
                    elif what == "address":
                        ip("addr", "add", "10.77.0.3/24", "dev", "line", namespace=f"{name}-client")
                        ip("addr", "del", "10.77.0.2/24", "dev", "line", namespace=f"{name}-client")
                        ip("addr", "replace", "10.77.0.3/24", "dev", "line", namespace=f"{name}-client")
                    else:
                        line[what] = float(rest[0])
                continue
            packet = os.read(ready, 65536)
            if line["silent"] or random.random() * 100 < line["loss"]:
                continue
            late = 20 if random.random() * 100 < line["reorder"] else 0
            count += 1
            heapq.heappush(waiting, (time.monotonic() + (line["delay"] + late) / 1000, count, other[ready], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(waiting)
            try:
                os.write(to, packet)
            except OSError:
                pass


try:
    ends = open_tun(f"{name}-server", "10.77.0.1"), open_tun(f"{name}-client", "10.77.0.2")
    print("ready", flush=True)
    run(*ends)
finally:
    for end in ("server", "client"):
        subprocess.run(["ip", "netns", "del", f"{name}-{end}"], check=False)
