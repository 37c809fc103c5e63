"""The machine: what it is, its limits as measured, and one number of threads for everybody."""

import datetime
import platform
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from .clock import alternate

PEERS = {
    "peer_torch": "torch==2.13.0",
    "peer_onnxruntime": "onnxruntime onnx",
    "peer_opencv": "opencv-python-headless",
    "peer_scipy": "scipy",
    "peer_ncnn": "ncnn",
}
PACKAGES = ("fastconv", "numpy", "scipy", "torch", "onnxruntime", "opencv-python-headless", "ncnn")


def load_peers():
    """The modules of the peers that are installed, and for each other one what to install."""
    modules, missing = [], []
    for name, install in PEERS.items():
        try:
            modules.append(import_module(f"_peers.{name}"))
        except ImportError:
            name = name.removeprefix("peer_")
            missing.append(f"{name} does not take part, being not installed: pip install {install}")
    return modules, missing


def set_threads(n, modules):
    """The same number of threads for BLAS and for every contender."""
    threadpool_limits(n, user_api="blas")
    for module in modules:
        module.THREADS(n)


def describe(threads):
    """Date, CPU, threads, BLAS and versions: what a figure needs beside it."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    blas = {f"{b['internal_api']} {b['version']} ({b.get('architecture', '')})" for b in loaded}
    return (
        f"{datetime.date.today()}, {cpu()}, {threads} thread{'s' * (threads > 1)}, Python {platform.python_version()}\n"
        f"{', '.join(versions)}\nBLAS: {', '.join(sorted(blas))}"
    )


def cpu():
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(": ")[2] if names else platform.processor() or platform.machine()


def gemm(dtype, size=768):
    """NumPy's matrix product as a call to time, and its operations: the rate that BLAS reaches on this machine."""
    a, b = (np.random.default_rng(seed).standard_normal((size, size)).astype(dtype) for seed in (0, 1))
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out), 2 * size**3


def bandwidths(rounds):
    """Bytes per second, read plus written, of streaming arrays through L2, L3 and memory.

    A change of sign and not a copy: some machines' memcpy is many times slower between 2 and 128 KiB than their caches.
    """
    sizes = {"L2": 2**17, "L3": 2**22, "DRAM": 2**27}
    arrays = {name: (np.ones(size // 4, np.float32), np.ones(size // 4, np.float32)) for name, size in sizes.items()}
    calls = {name: lambda s=source, t=target: np.negative(s, out=t) for name, (source, target) in arrays.items()}
    return {name: 2 * sizes[name] / seconds for name, seconds in alternate(calls, rounds).items()}
