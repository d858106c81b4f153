"""Kernels that are there at once: a process that has imported everything forks one for each life of a notebook.

    python zygote.py serve SOCKET          the process that forks; a kernel's folder of orders is the socket's own
    python zygote.py start SOCKET FILE     what Jupyter starts: has a kernel forked with this connection file, and lives as long as it does

Imports would be most of a life of a few seconds otherwise. A kernel reads `life.json` beside the socket: `events` (a file that gets a line for each
training step, saved checkpoint and kept answer) and `die_at_write` (number of the file opened for writing in `workspace` at which it kills
itself). It writes its process id to `kernel.pid`, and has a file `kernel.open` there once it has opened its workspace.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path


def serve(path: Path) -> None:
    """Import everything, say so by opening the socket, and fork a kernel for whoever connects."""
    import_everything()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    living: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([server, *living.values()], [], [], 0.05)
        for connection in ready:
            if connection is server:
                client, _ = server.accept()
                file = client.makefile().readline().strip()
                if (pid := os.fork()) == 0:
                    for other in (server, client, *living.values()):
                        other.close()
                    be_kernel(path.parent, file)
                living[pid] = client
            else:  # Jupyter has done away with its end
                for pid in [pid for pid, client in living.items() if client is connection]:
                    os.kill(pid, signal.SIGKILL)
        while living and (pid := os.waitpid(-1, os.WNOHANG)[0]):
            living.pop(pid).close()


def import_everything() -> None:
    import matplotlib.pyplot  # noqa: F401
    import onnxruntime.quantization  # noqa: F401
    import peft  # noqa: F401
    import seaborn  # noqa: F401
    import setfit.losses  # noqa: F401
    import torch.onnx  # noqa: F401
    from ipykernel import kernelapp  # noqa: F401

    from helpers import augmentation, benchmarks, comparison, fewshot, llm, models, runtime, training  # noqa: F401
    from helpers.comparison import figures  # noqa: F401


def be_kernel(folder: Path, connection_file: str) -> None:
    os.setsid()
    log = os.open(folder / "kernel.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        life = json.loads((folder / "life.json").read_text())
        (folder / "kernel.pid.part").write_text(str(os.getpid()))
        (folder / "kernel.pid.part").rename(folder / "kernel.pid")
        watch(folder, life)
        os.chdir(life["cwd"])
        from ipykernel.kernelapp import IPKernelApp

        sys.argv = ["kernel"]
        IPKernelApp.launch_instance(argv=["-f", connection_file])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def watch(folder: Path, life: dict) -> None:
    """Have this kernel write down what it pays for, and die in the middle of a file where that is its order."""
    from helpers import workspace
    from helpers.augmentation.journal import Journal
    from helpers.training import _Saving

    opened, open_workspace = folder / "kernel.open", workspace.open_workspace
    workspace.open_workspace = lambda path: (open_workspace(path), opened.touch())[0]
    events = os.open(life["events"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def after(owner, name: str, line) -> None:
        """Write a line whenever a method of a class has done its work."""
        method = getattr(owner, name)

        def watched(self, *args, **kwargs):
            result = method(self, *args, **kwargs)
            os.write(events, (line(self, *args) + "\n").encode())
            return result

        setattr(owner, name, watched)

    after(_Saving, "on_step_end", lambda saving, args, state, *_: f"step {saving.folder.name} {state.global_step}")
    after(_Saving, "on_save", lambda saving, args, state, *_: f"saved {saving.folder.name} {state.global_step}")
    after(Journal, "append", lambda journal, row: f"kept {journal.path.name} {_paid(row)}")
    if (last := life["die_at_write"]) is None:
        return
    written = 0

    def count(event: str, args: tuple) -> None:
        nonlocal written
        if event == "open" and isinstance(args[0], str) and args[0].startswith(life["workspace"]) and args[2] & os.O_ACCMODE:
            written += 1
            if written == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _paid(row: dict) -> str:
    """Bytes of an answer, and what it is an answer to."""
    key = [row[name] for name in ("parent_id", "genre", "slot", "prompt_id", "model")]
    return f"{len(row['text'].encode())}:{json.dumps(key).replace(' ', '_')}"


def start(path: Path, connection_file: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Jupyter's, before it shuts down what has failed
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    client.sendall(f"{connection_file}\n".encode())
    client.recv(1)  # nothing, when the kernel has ended


if __name__ == "__main__":
    serve(Path(sys.argv[2])) if sys.argv[1] == "serve" else start(Path(sys.argv[2]), sys.argv[3])
