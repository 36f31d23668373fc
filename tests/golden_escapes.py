"""Programs that try to get out of the sandbox, or to take the machine with them.

Each says `ESCAPED …` for everything that worked and should not have, and `contained` at its end.
A name in capitals and braces, such as {CANARY}, is put in by the test.
"""

from __future__ import annotations

HELP = """
import ctypes, os, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def fails(name, what):
    try:
        got = what()
    except (OSError, MemoryError, ValueError):
        return
    print("ESCAPED", name, repr(got)[:200])
def denied(name, *arguments):
    if libc.syscall(*arguments) != -1:
        print("ESCAPED", name)
"""

X86 = {
    "ptrace": 101, "mount": 165, "umount2": 166, "chroot": 161, "pivot_root": 155, "unshare": 272,
    "setns": 308, "keyctl": 250, "add_key": 248, "shmget": 29, "msgget": 68, "memfd_create": 319,
    "bpf": 321, "perf_event_open": 298, "io_uring_setup": 425, "userfaultfd": 323,
    "process_vm_readv": 310, "open_by_handle_at": 304, "reboot": 169, "init_module": 175,
    "kexec_load": 246, "swapon": 167, "syslog": 103, "clone": 56, "clone3": 435, "personality": 135,
}  # fmt: skip
"""Numbers of the calls that are tried by number."""

QUICK: dict[str, str] = {
    "reads the host's accounts": """
for path in ("/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/resolv.conf"):
    fails(path, lambda: open(path).read())
""",
    "reads the run folder": """
fails("canary", lambda: open({CANARY}).read())
fails("folder", lambda: os.listdir(os.path.dirname({CANARY})))
""",
    "reads homes and the system's data": """
for path in ("/root", "/home", "/var", "/srv", "/opt", "/mnt", "/boot", "/run", "/sys", "/etc", "/usr/local"):
    fails(path, lambda: os.listdir(path))
""",
    "reads the code that judges it": """
fails("checker", lambda: open({CHECKER}).read())
""",
    "reads its parent's environment": """
if any("SECRET" in key + value for key, value in os.environ.items()): print("ESCAPED environ")
for pid in ("1", str(os.getppid())):
    try:
        if b"SECRET" in open(f"/proc/{pid}/environ", "rb").read(): print("ESCAPED", pid)
    except OSError: pass
""",
    "lists the host's processes": """
seen = [pid for pid in os.listdir("/proc") if pid.isdigit()]
if len(seen) > 3: print("ESCAPED", seen)
""",
    "goes through another process's root": """
for pid in [pid for pid in os.listdir("/proc") if pid.isdigit()]:
    for part in ("root", "cwd"):
        fails(part, lambda: open(f"/proc/{pid}/{part}" + {CANARY}).read())
""",
    "writes outside of /tmp": """
for folder in ("/", "/usr", "/usr/lib", "/python", "/python/lib", "/dev", "/proc", "/proc/sys/kernel", "/etc"):
    fails(folder, lambda: open(folder + "/maieutic-escape", "w"))
    fails(folder, lambda: os.mkdir(folder + "/maieutic-escape"))
fails("canary", lambda: open({CANARY}, "w"))
fails("exe", lambda: open("/python/bin/python3", "r+b"))
""",
    "writes to /tmp, which is its own": """
open("/tmp/maieutic-escape", "w").write("x")
open("/dev/shm/maieutic-escape", "w").write("x")
""",
    "changes the kernel's settings": """
for path in ("core_pattern", "hostname", "panic", "modprobe"):
    fails(path, lambda: open("/proc/sys/kernel/" + path, "w").write("x"))
fails("sysrq", lambda: open("/proc/sysrq-trigger", "w").write("b"))
""",
    "follows links out": """
os.symlink({CANARY}, "/tmp/link")
fails("symlink", lambda: open("/tmp/link").read())
os.symlink("/proc/1/root", "/tmp/root")
fails("root", lambda: open("/tmp/root" + {CANARY}).read())
fails("dots", lambda: open("/tmp/" + "../" * 40 + {CANARY}.lstrip("/")).read())
""",
    "makes hard links to what is not its own": """
fails("interpreter", lambda: os.link("/python/bin/python3", "/tmp/python"))
fails("canary", lambda: os.link({CANARY}, "/tmp/canary"))
""",
    "connects by TCP": """
for address in (("127.0.0.1", {PORT}), ("192.0.2.1", 80), ("8.8.8.8", 53)):
    fails(address, lambda: socket.create_connection(address, timeout=0.3))
""",
    "asks a name server": """
fails("lookup", lambda: socket.getaddrinfo("example.com", 80))
question = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fails("UDP", lambda: question.sendto(b"x", ("8.8.8.8", 53)))
fails("UDP", lambda: question.sendto(b"x", ("127.0.0.1", {PORT})) and question.connect(("10.0.0.1", 1)))
""",
    "connects to the host's sockets": """
for name in ("\\0" + {ABSTRACT}, {SOCKET}, "/var/run/docker.sock", "/run/systemd/private"):
    box = socket.socket(socket.AF_UNIX)
    fails(name, lambda: box.connect(name))
""",
    "opens sockets of other kinds": """
for family, kind in ((16, 3), (17, 3), (38, 5), (40, 1), (2, 3), (10, 3), (44, 3)):
    fails(family, lambda: socket.socket(family, kind))
""",
    "sends signals to everybody": """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for pid in (-1, os.getppid(), 1, {PID}):
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(pid, number)
        except OSError: pass
""",
    "traces others": """
denied("attach", CALLS["ptrace"], 16, os.getppid(), 0, 0)
denied("seize", CALLS["ptrace"], 0x4206, 1, 0, 0)
denied("trace me", CALLS["ptrace"], 0, 0, 0, 0)
denied("memory", CALLS["process_vm_readv"], 1, None, 0, None, 0, 0)
fails("mem", lambda: open("/proc/1/mem", "rb").read(1))
""",
    "mounts": """
denied("mount", CALLS["mount"], b"none", b"/tmp", b"tmpfs", 0, None)
denied("bind", CALLS["mount"], b"/proc/1/root", b"/tmp", None, 4096, None)
denied("umount", CALLS["umount2"], b"/tmp", 2)
denied("remount", CALLS["mount"], None, b"/", None, 32, None)
""",
    "changes its root": """
fails("chroot", lambda: os.chroot("/tmp"))
denied("pivot", CALLS["pivot_root"], b"/tmp", b"/tmp")
denied("handle", CALLS["open_by_handle_at"], 0, 0, 0)
""",
    "makes namespaces": """
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000):
    denied(hex(flag), CALLS["unshare"], flag)
    denied(hex(flag), CALLS["clone"], flag | 17, 0, 0, 0, 0)
denied("clone3", CALLS["clone3"], None, 0)
denied("setns", CALLS["setns"], 0, 0)
""",
    "becomes somebody else": """
if os.getuid() == 0: print("ESCAPED is root")
for change in (os.setuid, os.setgid, os.seteuid):
    fails(change, lambda: change(0))
fails("groups", lambda: os.setgroups([0]))
rights = [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapPrm", "CapEff", "CapAmb"))]
if any(int(right, 16) for right in rights): print("ESCAPED", rights)
if "NoNewPrivs:\\t1" not in open("/proc/self/status").read(): print("ESCAPED setuid programs work")
""",
    "opens devices": """
for name in ("mem", "kmem", "port", "sda", "vda", "nvme0n1", "loop0", "kvm", "fuse", "net/tun", "nvidia0", "kmsg"):
    fails(name, lambda: open("/dev/" + name, "rb"))
fails("node", lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(8, 0)))
fails("kcore", lambda: open("/proc/kcore", "rb").read(1))
""",
    "uses keys, messages and memory that no limit counts": """
denied("keyctl", CALLS["keyctl"], 0, -3, 1)
denied("add_key", CALLS["add_key"], b"user", b"x", b"y", 1, -4)
denied("shmget", CALLS["shmget"], 0, 1 << 20, 0o1600)
denied("msgget", CALLS["msgget"], 0, 0o1600)
denied("memfd", CALLS["memfd_create"], b"x", 0)
""",
    "calls what has had holes": """
denied("bpf", CALLS["bpf"], 0, None, 0)
denied("perf", CALLS["perf_event_open"], None, 0, -1, -1, 0)
denied("uring", CALLS["io_uring_setup"], 1, None)
denied("fault", CALLS["userfaultfd"], 1)
denied("personality", CALLS["personality"], 0x0040000)
""",
    "manages the machine": """
denied("reboot", CALLS["reboot"], 0xFEE1DEAD, 672274793, 0, 0)
denied("module", CALLS["init_module"], None, 0, b"")
denied("kexec", CALLS["kexec_load"], 0, 0, None, 0)
denied("swap", CALLS["swapon"], b"/tmp/x", 0)
denied("log", CALLS["syslog"], 3, None, 0)
fails("nice", lambda: os.nice(-5))
fails("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
fails("name", lambda: socket.sethostname("x"))
""",
    "uses descriptors that it was left": """
for name in os.listdir("/proc/self/fd"):
    if int(name) > 2:
        try: print("ESCAPED", name, os.readlink("/proc/self/fd/" + name)) if os.fstat(int(name)) else None
        except OSError: pass
for number in range(3, 64):
    fails(number, lambda: os.write(number, b"right"))
for number in (0, 1, 2):
    fails(number, lambda: os.listdir(f"/proc/self/fd/{number}/.."))
""",
    "types on a terminal": """
import fcntl
for number in (0, 1, 2):
    fails(number, lambda: fcntl.ioctl(number, 0x5412, b"x"))
fails("tty", lambda: fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), 0x5412, b"x"))
""",
    "raises its limits": """
import resource
for name in ("NPROC", "AS", "NOFILE", "FSIZE", "CPU", "CORE"):
    number = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(number)[1]
    if hard == -1: print("ESCAPED", name)
    fails(name, lambda: resource.setrlimit(number, (hard + 1, hard + 1)))
""",
    "dumps core": """
import resource
if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0): print("ESCAPED core")
if os.fork() == 0: os.abort()
os.wait()
print("ESCAPED" if [name for name in os.listdir("/tmp") if "core" in name] else "")
""",
    "starts with a huge command line": """
fails("exec", lambda: os.execv("/python/bin/python3", ["x"] + ["y" * 130000] * 400))
""",
    "opens files without end": """
def many():
    return [open("/dev/null") for _ in range(5000)]
fails("open", many)
""",
    "writes one endless file": """
def endless():
    with open("/tmp/x", "wb") as file:
        while True: file.write(bytes(1 << 20))
fails("file", endless)
""",
    "fills /tmp": """
def fill():
    for number in range(200):
        with open(f"/tmp/{number}", "wb") as file: file.write(bytes(4 << 20))
fails("disk", fill)
held = sum(os.stat("/tmp/" + name).st_blocks * 512 for name in os.listdir("/tmp"))
if held > 33 << 20: print("ESCAPED", held)
""",
    "fills /dev/shm": """
def fill():
    for number in range(200):
        with open(f"/dev/shm/{number}", "wb") as file: file.write(bytes(4 << 20))
fails("shm", fill)
""",
    "takes all memory at once": """
fails("memory", lambda: len(bytearray(1 << 40)))
fails("memory", lambda: len(bytearray(300 << 20)))
""",
    "starts the host's programs": """
for name in ("/bin/sh", "/usr/bin/env", "/usr/bin/sudo", "/usr/bin/mount", "/usr/bin/bwrap", "/sbin/init"):
    fails(name, lambda: subprocess.run([name]))
""",
}
"""Over in an instant."""

BOMBS: dict[str, tuple[str, str]] = {
    "fork bomb": ("while True:\n    try: os.fork()\n    except OSError: pass", "time output ended"),
    "threads": (
        "while True:\n    try: threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "    except (RuntimeError, MemoryError): pass",
        "time",
    ),
    "memory, little by little": ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", "ended"),
    "memory in many processes": (
        "for _ in range(12):\n"
        "    if os.fork() == 0: break\n"
        "kept = bytearray(os.urandom(1 << 20) * 150)\ntime.sleep(60)",
        "memory",
    ),
    "files without end": (
        "number = 0\nwhile True:\n    number += 1\n    os.close(os.open(f'/tmp/{number}', os.O_CREAT))",
        "disk",
    ),
    "endless output": ("while True: print('x' * 1000)", "output"),
    "endless errors": ("while True: print('x' * 1000, file=sys.stderr)", "output"),
    "sleeps for ever": ("time.sleep(10 ** 6)", "time"),
    "computes for ever": ("while True: pass", "time"),
    "ignores every signal": (
        "for number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: pass",
        "time ended",
    ),
    "waits for input that never comes": ("sys.stdin.read()\nos.read(os.pipe()[0], 1)", "time"),
    "a child that outlives it": (
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        for number in range(64):\n            try: os.close(number)\n            except OSError: pass\n"
        "        time.sleep(600)\n    os._exit(0)\nos.wait()",
        "ended",
    ),
    "a child that holds the output": (
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(600)",
        "ended",
    ),
    "closes its output and goes on": ("os.close(1)\nos.close(2)\ntime.sleep(600)", "time"),
    "deep recursion": (
        "sys.setrecursionlimit(10 ** 9)\ndef f(n): return f(n + 1) + 1\nf(0)",
        "ended time",
    ),
    "a crash in C": ("ctypes.string_at(0)", "ended"),
    "a pattern that takes for ever": ("import re\nre.match('(a+)+b', 'a' * 60)", "time"),
    "a power without end": ("10 ** 10 ** 10", "time ended"),
}
"""Those that take time, and how they may end."""
