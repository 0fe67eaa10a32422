"""Who may include whom.  Reads every #include of src/ and include/ and the ROOMS of every room's CMakeLists.txt against
the tables below, which are the architecture of palimpsest written as data."""

import re
from pathlib import Path

from source_tree import files, run_check, text_of, without_comments

# room: rooms whose doors it may include beside its own, in the order of the data's way
ROOMS = {
    "base": "",
    "spec": "base",
    "config": "base spec",
    "plan": "base spec config",
    "ledger": "base spec plan",
    "world": "base spec",
    "kernels": "base",
    "model": "base spec kernels",
    "train": "base spec world model",
    "measure": "base spec world kernels model train",
    "stage": "base spec config plan world model train measure",
    "store": "base spec config plan model",
    "schedule": "base spec plan ledger stage store",
    "answer": "base spec store",
    "bench": "base spec plan ledger model train schedule store",
    "cli": "base spec config plan ledger world kernels model train measure stage store schedule answer bench",
}

# pattern of a foreign header: rooms that may include it
FOREIGN = {
    r"Random123/.*": "base",
    r"xxhash\.h": "base",
    r"yaml\.h": "config",
    r"cblas\.h": "kernels",
    r"(immintrin|arm_neon)\.h": "kernels model train bench",  # vector instructions, where loops over floats are
    r"hdf5(_hl)?\.h": "store",
    r"mpi\.h": "store schedule cli",
    r"jansson\.h": "cli",
}

# The C library and POSIX: any room.
SYSTEM = set("""
    assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h limits.h locale.h math.h setjmp.h signal.h spawn.h stdalign.h
    semaphore.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h tgmath.h time.h
    uchar.h wchar.h wctype.h dirent.h dlfcn.h fcntl.h ftw.h getopt.h glob.h libgen.h link.h malloc.h poll.h pthread.h
    pwd.h sched.h termios.h unistd.h sys/auxv.h sys/file.h sys/ioctl.h sys/mman.h sys/prctl.h sys/resource.h sys/stat.h
    sys/statvfs.h sys/sysinfo.h sys/time.h sys/types.h sys/uio.h sys/utsname.h sys/wait.h
""".split())

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
ROOM_CALL = re.compile(r"palimpsest_room\(\s*(\w+)(.*?)\)", re.DOTALL)


def room_of_door(name):
    """spec.h and spec_world.h are both doors of the room spec."""
    return Path(name).stem.split("_")[0]


def room_of(path):
    if path.parts[:2] == ("include", "palimpsest"):
        return room_of_door(path.name)
    return path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 else None


def complaint(room, header, own):
    """Why a source of `room` may not include `header`, or None; own: the headers beside that source."""
    if header.startswith("palimpsest/"):
        other = room_of_door(header)
        if other == room or other in ROOMS[room].split():
            return None
        return f"{room} may not include {other}, only: {ROOMS[room] or 'nothing'}"
    for pattern, rooms in FOREIGN.items():
        if re.fullmatch(pattern, header):
            return None if room in rooms.split() else f"{header} belongs to {rooms}, not to {room}"
    if header in SYSTEM or header in own:
        return None
    return f"{header} is neither the C library's nor known to {Path(__file__).name}"


def check_links(root, path, room):
    for name, rest in ROOM_CALL.findall(text_of(root, path)):
        if name != room:
            yield f"{path}: builds room {name} in the folder of {room}"
        rooms = re.search(r"\bROOMS\b([\s\w]*?)(?:\bLIBRARIES\b|\bSOURCES\b|$)", rest)
        for other in rooms.group(1).split() if rooms else []:
            if other not in ROOMS[room].split():
                yield f"{path}: {room} may not link {other}, only: {ROOMS[room] or 'nothing'}"


def check(root):
    violations = []
    written = files(root)
    for path in written:
        room = room_of(path)
        if room is None:
            continue
        if room not in ROOMS:
            violations.append(f"{path}: there is no room {room} in {Path(__file__).name}")
        elif path.suffix in (".c", ".h"):
            code = without_comments(text_of(root, path))
            own = {p.name for p in written if p.parent == path.parent and p.suffix == ".h"}
            for match in INCLUDE.finditer(code):
                why = complaint(room, match.group(2), own)
                if why:
                    violations.append(f"{path}:{code.count(chr(10), 0, match.start()) + 1}: {why}")
        elif path.name == "CMakeLists.txt":
            violations += check_links(root, path, room)
    return violations


if __name__ == "__main__":
    run_check(check)
