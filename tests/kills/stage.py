"""Where notebooks live and die: a process that forks their kernels, and a Groq that counts what it is asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import stand_ins
from groq_server import KEY, GroqServer

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
LORA = {"STORY_TOKENS": 24, "EPOCHS": 2, "QUESTIONS": 4, "SAVE_MINUTES": 0.001}
PARAMETERS = {
    "01_clean": {"GENRES": 3},
    "02_paraphrase": {"TARGET": 10, "PROVIDER": "groq"},
    "03_synthetic_groq": {"TARGET": 10, "WORDS": 160, "PROVIDER": "groq"},
    "04_seqcls_lora": LORA | {"TRIALS": [{"lora_alpha": 64}]},
    "05_instruct_lora": LORA | {"QA_EXAMPLES": 4},
    "06_setfit": {"SETFIT_TRIALS": [{"titles": 0}], "SAVE_MINUTES": 0.001},
    "07_compare": {},
}
"""What makes each notebook short."""
_ENVIRONMENT = {
    "HEADLESS": "1", "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "GROQ_API_KEY": KEY,
}  # fmt: skip


class Stage:
    """Runs one notebook at a time.

    Args:
        folder: for its files.
        packages, llm: see `stand_ins.write_models`.
    """

    def __init__(self, folder: Path, packages: Path, llm: Path):
        self.folder, self.llm, self.socket = folder, llm, folder / "s"
        spec = folder / "jupyter" / "kernels" / folder.name
        spec.mkdir(parents=True)
        command = [sys.executable, str(HERE / "zygote.py"), "start", str(self.socket), "{connection_file}"]
        (spec / "kernel.json").write_text(json.dumps({"argv": command, "display_name": folder.name, "language": "python"}))
        self.groq = GroqServer(answer=stand_ins.answer, delay=0.03).__enter__()
        own = {"PYTHONPATH": os.pathsep.join([str(packages), str(PROJECT)]), "IPYTHONDIR": str(folder)}
        own["DTYPE"] = os.environ.get("DTYPE", "fp32")
        for name in ("STORIES_CSV", "WORKSPACE"):
            own[name] = ""
        with open(folder / "kernel.log", "wb") as log:
            command = [sys.executable, str(HERE / "zygote.py"), "serve", str(self.socket)]
            self.zygote = subprocess.Popen(command, env=os.environ | _ENVIRONMENT | own, stdout=log, stderr=log)

    def live(
        self,
        notebook: str,
        workspace: Path,
        die_at_write: int | None = None,
        after: float = 0,
        do=None,
        once_open: bool = False,
    ) -> str:
        """Run a notebook once; returns `done`, `killed`, or its error.

        Args:
            notebook: which.
            workspace: its folder; `<workspace>.events` beside it gets what `zygote` says.
            die_at_write: number of the file opened for writing at which the kernel kills itself.
            after: seconds after which `do` is called.
            do: function of the kernel's process id.
            once_open: count the seconds from when the workspace was opened, not from when the kernel began.
        """
        import papermill
        from nbclient.exceptions import DeadKernelError
        from papermill.exceptions import PapermillExecutionError

        self.wait_for_zygote()
        about = {"events": f"{workspace}.events", "workspace": str(workspace), "cwd": str(PROJECT / "notebooks")}
        (self.folder / "life.json").write_text(json.dumps(about | {"die_at_write": die_at_write}))
        for name in ("kernel.pid", "kernel.open"):
            (self.folder / name).unlink(missing_ok=True)
        values = {"PROFILE": "smoke", "WORKSPACE": str(workspace)} | PARAMETERS[notebook]
        values |= {"BASE_URL": self.groq.url} if "PROVIDER" in values else {}
        values |= {"LLM": str(self.llm)} if notebook[:2] in ("04", "05", "06") else {}
        over = threading.Event()
        if do:
            threading.Thread(
                target=self._meanwhile, args=(after, do, "kernel.open" if once_open else "kernel.pid", over), daemon=True
            ).start()
        source, target = PROJECT / "notebooks" / f"{notebook}.ipynb", self.folder / f"{notebook}.ipynb"
        try:
            papermill.execute_notebook(
                source, target, values, kernel_name=self.folder.name, language="python", progress_bar=False
            )
            return "done"
        except PapermillExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except (DeadKernelError, RuntimeError) as error:
            if isinstance(error, DeadKernelError) or "died" in str(error):
                return "killed"
            raise
        finally:
            over.set()

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self.zygote.kill()
        self.zygote.wait()
        self.groq.__exit__()

    def _meanwhile(self, seconds: float, do, since: str, over: threading.Event) -> None:
        while not (self.folder / since).exists():
            if over.wait(0.01):
                return
        if not over.wait(seconds):
            do(int((self.folder / "kernel.pid").read_text()))

    def wait_for_zygote(self) -> None:
        """Wait until everything is imported."""
        while not self.socket.exists():
            if self.zygote.poll() is not None:
                raise RuntimeError(f"The imports failed:\n{(self.folder / 'kernel.log').read_text()[-2000:]}")
            time.sleep(0.1)
