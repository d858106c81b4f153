"""Execute one notebook through papermill, and say where and why it stopped.

papermill marks a cell that raised; a dead kernel and a cell that ran out of time it lets through as a bare traceback and leaves the notebook
unmarked. Its engines are a registry by name, so here is one more that ends all three the same way: the failing cell marked in the executed
notebook, and one `NotebookFailed` that tells them apart.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import papermill
import psutil
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

HEADLESS = {
    "HEADLESS": "1",
    "PYTHONWARNINGS": "ignore",
    "TOKENIZERS_PARALLELISM": "false",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
"""Environment of notebooks that nobody watches."""

DEAD, LATE, RAISED = "dead kernel", "time-out", "failed cell"
"""The ways in which a notebook stops before its end."""


class NotebookFailed(Exception):
    """A notebook stopped before its end.

    Attributes:
        kind: `failed cell`, `dead kernel` or `time-out`.
        cell: number of the cell, as in `In [7]` of the executed notebook; None where no cell had begun.
        line: the first line of its code.
        name, value: the error, such as `ValueError` and its text.
    """

    def __init__(self, kind: str, cell: int | None, line: str, name: str, value: str):
        super().__init__(kind, cell, line, name, value)
        self.kind, self.cell, self.line, self.name, self.value = kind, cell, line, name, value

    def __str__(self) -> str:
        where = f" in cell {self.cell} ({self.line})" if self.cell else ""
        what = f"{self.name}: {self.value}" if self.kind == RAISED else self.value
        return f"{self.kind}{where}: {what}".rstrip(": ")


class Cost:
    """What an executed notebook took: `seconds`, and `peak_gb`, the most resident memory of its kernel and what that started (10^9 bytes)."""

    def __init__(self):
        self.seconds, self.peak_gb = 0.0, 0.0


def execute(
    notebook,
    target: Path,
    parameters: dict,
    *,
    log: Path,
    cwd: Path,
    echo=None,
    timeout: int | None = None,
    on_cell=None,
    cost: Cost | None = None,
) -> Cost:
    """Execute a notebook with parameters, in a kernel of its own.

    Args:
        notebook: path, or a `NotebookNode`.
        target: where the executed notebook goes; it is there after a failure too, up to the cell that failed.
        parameters: by name; the notebook must have them all.
        log: file that gets everything the notebook prints, and what its process says outside of any cell.
        cwd: working directory of the kernel.
        echo: a text stream that gets what the notebook prints as well, such as `sys.stdout`.
        timeout: seconds that one cell may take; None for any.
        on_cell: called as `on_cell(number, count)` when a code cell begins.
        cost: filled with what it took; so that it is there after a failure too.

    Raises:
        NotebookFailed: a cell raised, the kernel died, or a cell took too long.
    """
    os.environ.update(HEADLESS)
    cost, begin = cost or Cost(), time.perf_counter()
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8", buffering=1) as file, tempfile.TemporaryDirectory(prefix="kernel-") as private:
        try:
            papermill.execute_notebook(
                notebook,
                target,
                parameters=parameters,
                engine_name="watched",
                cwd=str(cwd),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                stdout_file=_Tee(file, echo) if echo else file,
                stderr_file=file,
                execution_timeout=timeout,
                config=_talk_through(private),
                watch={"log": file, "cost": cost, "on_cell": on_cell or (lambda number, count: None)},
            )
        except PapermillExecutionError as error:
            kind = error.ename if error.ename in (DEAD, LATE) else RAISED
            line = next((line for line in error.source.splitlines() if line.strip()), "")
            raise NotebookFailed(kind, error.exec_count, line, error.ename, error.evalue) from None
        except DeadKernelError as error:
            raise NotebookFailed(DEAD, None, "", DEAD, f"it did not start: {error}. Its own words are in {log.name}.") from None
        finally:
            cost.seconds = time.perf_counter() - begin
    return cost


def _talk_through(folder: str) -> Config:
    """Let kernel and client talk through files in a folder of the user's own.

    Over TCP, Jupyter warns of everyone who can listen, once a notebook; and by default the files lie in the working directory under one
    name, where two notebooks that run at once answer each other.
    """
    return Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/k"}} if os.name == "posix" else {})


class _Tee:
    """A text stream that writes to two."""

    def __init__(self, *streams):
        self.streams = streams

    def write(self, text: str) -> None:
        for stream in self.streams:
            stream.write(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()


class _Manager(AsyncKernelManager):
    """Jupyter's manager, which asks a kernel to end before it interrupts it: one that is about to sleep would tell of the interrupt in the log."""

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        if self.has_kernel and not now:
            await self.request_shutdown(restart)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.provisioner.wait(), 1)
        await super().shutdown_kernel(now, restart)


class _Client(PapermillNotebookClient):
    """papermill's client, which also turns a dead kernel and a late cell into a failed cell, and then leaves the kernel alone."""

    watch: dict = {}
    stopped: Exception | None = None

    def execute_cell(self, cell, cell_index, **options):
        if cell.cell_type == "code":
            codes = [number for number, other in enumerate(self.nb.cells) if other.cell_type == "code"]
            self.watch["on_cell"](codes.index(cell_index) + 1, len(codes))
        try:
            return super().execute_cell(cell, cell_index, **options)
        except DeadKernelError as error:
            self._mark(cell, error, DEAD, self._why_dead())
        except CellTimeoutError as error:
            self._mark(cell, error, LATE, f"it took longer than the {self.timeout} seconds that a cell may take")

    def _mark(self, cell, error: Exception, kind: str, text: str):
        self.stopped = error
        if cell.execution_count is None:
            cell.execution_count = sum(other.get("execution_count") is not None for other in self.nb.cells) + 1
        cell.outputs.append(nbformat.v4.new_output("error", ename=kind, evalue=text, traceback=[f"{kind}: {text}"]))
        raise CellExecutionError("", kind, text)

    def _why_dead(self) -> str:
        process = getattr(self.km.provisioner, "process", None)
        code = process.poll() if process else None
        memory = f"its memory had reached {self.watch['cost'].peak_gb:.1f} of {psutil.virtual_memory().total / 1e9:.0f} GB"
        if code == -getattr(signal, "SIGKILL", 9):
            sure = _memory_kills() > self.watch["kills"]
            why = (
                "the system killed it because memory ran out"
                if sure
                else "it was killed, most often by the system for lack of memory"
            )
            return f"{why}; {memory}. Take a smaller model, batch or PROFILE, or run less beside it"
        if code is not None and code < 0:
            return f"it crashed ({signal.Signals(-code).name}); {memory}"
        return f"it ended by itself{'' if code is None else f' with status {code}'}; {memory}"

    def papermill_execute_cells(self):
        self.watch["kills"] = _memory_kills()
        with _sampled(self.km.provisioner.process.pid, self.watch["cost"]):
            super().papermill_execute_cells()
        if self.stopped:
            raise self.stopped


class _Engine(NBClientEngine):
    """papermill's own engine with `_Client`."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, watch=None, execution_timeout=None, start_timeout=60, **options):
        taken = ("stdout_file", "stderr_file", "config", "log_output")
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=_Manager,
            timeout=execution_timeout,
            startup_timeout=start_timeout,
            **{name: options[name] for name in taken if name in options},
        )
        client.watch = watch
        try:
            client.execute(stdout=watch["log"], stderr=watch["log"])
        except (DeadKernelError, CellTimeoutError) as error:
            if error is not client.stopped:
                raise


papermill_engines.register("watched", _Engine)


@contextmanager
def _sampled(pid: int, cost: Cost, interval: float = 0.25):
    """Note the most memory that a process and its children have had, for as long as the block lasts."""
    done = threading.Event()

    def look():
        while True:
            try:
                process = psutil.Process(pid)
                family = [process, *process.children(recursive=True)]
                cost.peak_gb = max(cost.peak_gb, sum(member.memory_info().rss for member in family) / 1e9)
            except psutil.Error:
                pass
            if done.wait(interval):
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _memory_kills() -> int:
    """How many processes the system has killed for memory since it started, where Linux tells."""
    count = 0
    for name in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        try:
            lines = Path(name).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        count += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return count


def stop_family(pid: int) -> None:
    """Kill a process and all that it started."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.Error:
        return
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            pass


def die_with_parent() -> None:
    """End this process and all that it started as soon as the process that started it is gone, however that ended."""
    parent = os.getppid()

    def look():
        while os.getppid() == parent:
            time.sleep(0.3)
        for child in psutil.Process().children(recursive=True):
            try:
                child.kill()
            except psutil.Error:
                pass
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
