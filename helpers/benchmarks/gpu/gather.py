"""Gather what a machine with a GPU and without a package index lacks for the check: wheels without torch, in a folder under 64 MB (`make gpu-pack`).

Say what is there with `--have`, a file with a package a line (`pip freeze` on that machine, or plain names). The check's models are made of random numbers on
the spot, so no weights travel.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from helpers import colab
from helpers.config import PROJECT

RUNS_NOTEBOOKS = ("papermill", "nbconvert", "nbformat", "ipykernel")
LEFT_ALONE = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
"""What a machine with a GPU has from whoever set it up, and nobody carries."""
OPTIONAL = {"bitsandbytes": "NF4 is not measured", "onnxscript": "", "onnx": "", "onnxruntime": "06 stops at its 8-bit encoder"}
"""What is left out, in this order, where all together is too large, and what is missing then."""


def lacking(have: dict[str, str], python: str) -> dict[str, str]:
    """Packages and versions that the check needs on Linux (x86-64) and that are not there.

    Args:
        have: version of each package that is there, empty where it is not known.
        python: version of Python on that machine, such as `3.12`.

    Raises:
        RuntimeError: what is needed does not go together with what is there; the message is the resolver's.
    """
    bounds = colab.requirements()
    for line in (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if (name := re.match(r"[\w.-]*", line).group()) in RUNS_NOTEBOOKS:
            bounds[name] = line
    # What is there is taken as it is, within the bounds of requirements.txt or not.
    wanted = [name if name in have else bounds.get(name, name) for name in dict.fromkeys([*bounds, *RUNS_NOTEBOOKS])]
    with tempfile.TemporaryDirectory() as folder:
        asked, known = Path(folder) / "asked.in", Path(folder) / "known.txt"
        asked.write_text("\n".join(wanted), encoding="utf-8")
        known.write_text("\n".join(f"{name}=={version}" for name, version in have.items() if version), encoding="utf-8")
        platform = ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"]
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", *platform]
        done = subprocess.run([*command, "-c", str(known), str(asked)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"What is needed does not go together with what is there:\n{done.stderr.strip()}")
    found = dict(re.findall(r"^([\w.-]+)==(\S+)", done.stdout, re.M))
    return {name: version for name, version in found.items() if name not in have and not LEFT_ALONE.fullmatch(name)}


def slim(wheel: Path, cuda: str = "") -> None:
    """Take libraries for other devices out of bitsandbytes' wheel, which holds some for each: AMD's, Intel's, and those for other CUDA versions.

    Args:
        wheel: changed in place.
        cuda: version there, such as `12.8` or `13`; empty to keep all of CUDA's.
    """
    wanted, kept = "cuda" + cuda.replace(".", ""), wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as part:
        for entry in whole.infolist():
            library = re.search(r"/libbitsandbytes_(\w+)\.so$", entry.filename)
            if not library or library[1] == "cpu" or library[1].startswith(wanted):
                part.writestr(entry, whole.read(entry))
    kept.replace(wheel)


def gather(packages: dict[str, str], folder: Path, python: str, most_mb: float = 64, cuda: str = "") -> dict[str, str]:
    """Download wheels, and leave out what is optional until they fit.

    Args:
        packages: versions by name, from `lacking`.
        folder: takes the wheels; those of an earlier call are removed.
        python: as there.
        most_mb: of all wheels, 10^6 bytes.
        cuda: see `slim`.

    Returns:
        What was left out, and what is missing without it.

    Raises:
        RuntimeError: a package has no wheel, or all that is needed is too large.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in folder.glob("*.whl"):
        wheel.unlink()
    tags = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
    tags += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    platform = ["--python-version", python, "--implementation", "cp", *(word for tag in tags for word in ("--platform", tag))]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        *platform,
        "-d",
        str(folder),
    ]
    if packages:
        done = subprocess.run([*command, *(f"{n}=={v}" for n, v in packages.items())], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"Not every package has a wheel for Python {python}:\n{done.stderr.strip()}")
    sizes = {re.match(r"[^-]+", wheel.name).group().replace("_", "-").lower(): wheel for wheel in folder.glob("*.whl")}
    if "bitsandbytes" in sizes:
        slim(sizes["bitsandbytes"], cuda)
    left_out = {}
    for name, what in OPTIONAL.items():
        if _megabytes(folder) > most_mb and name in sizes:
            sizes.pop(name).unlink()
            left_out[name] = what
    if (whole := _megabytes(folder)) > most_mb:
        large = sorted(folder.glob("*.whl"), key=lambda wheel: -wheel.stat().st_size)[:6]
        raise RuntimeError(
            f"{whole:.0f} MB of wheels are needed, and {most_mb:.0f} are allowed. The largest: {', '.join(wheel.name.split('-')[0] for wheel in large)}. "
            "Name what the machine has already with --have, or allow more with --most."
        )
    return left_out


def _megabytes(folder: Path) -> float:
    return sum(wheel.stat().st_size for wheel in folder.glob("*.whl")) / 1e6


def read_have(file: Path | None) -> dict[str, str]:
    """Packages of a file with one a line, `name`, `name==version` or `name version`; names as the index spells them."""
    lines = file.read_text(encoding="utf-8").splitlines() if file else []
    found = [re.match(r"\s*([\w.-]+)\s*(?:==|@.*|\s)?\s*([\w.+!-]*)\s*$", line) for line in lines]
    return {re.sub(r"[-_.]+", "-", hit[1]).lower(): hit[2].split("+")[0] for hit in found if hit}


def main() -> None:
    """Gather, and say what to do with it."""
    parser = argparse.ArgumentParser(prog="make gpu-pack", description=__doc__.splitlines()[0])
    parser.add_argument("--have", type=Path, help="file with the packages that are there, such as pip freeze writes")
    parser.add_argument("--python", default="3.12", help="version of Python there")
    parser.add_argument("--to", type=Path, default=PROJECT / "checkpoints" / "gpu-pack")
    parser.add_argument("--cuda", default="", help="version of CUDA that torch was built for there, such as 12.8")
    parser.add_argument("--most", type=float, default=64, help="MB")
    arguments = parser.parse_args()
    try:
        packages = lacking(read_have(arguments.have), arguments.python)
        left_out = gather(packages, arguments.to, arguments.python, arguments.most, arguments.cuda)
    except RuntimeError as error:
        parser.exit(1, f"{error}\n")
    kept = len(list(arguments.to.glob("*.whl")))
    print(f"{kept} wheels, {_megabytes(arguments.to):.0f} MB, in {arguments.to}")
    for name, what in left_out.items():
        print(f"left out: {name}{f' ({what})' if what else ''}")
    print("Carry them and the project over, and there, in the project's folder:")
    print(f"  python -m pip install --no-index --no-deps --target site {arguments.to.name}/*.whl")
    print("  PYTHONPATH=site python -m helpers.benchmarks.gpu.check")


if __name__ == "__main__":
    main()
