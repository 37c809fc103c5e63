"""Build every kernel source once per CPU level.

`fastconv/_kernels/direct.pyx` becomes the modules `direct_baseline`, `direct_avx2` and `direct_avx512`, one text
translated to C once and compiled with three sets of flags; `fastconv/_cpu.py` imports the best one that the machine
runs. Flags belong to one extension each, so no instruction of a higher level reaches a module that a lesser CPU
imports.

Environment: FASTCONV_DEBUG=1 turns Cython's bounds and initialisation checks on and optimisation down.
"""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("fastconv/_kernels")
DEBUG = os.environ.get("FASTCONV_DEBUG", "0") not in ("", "0")
CYTHON = Path("build/cython")  # where Cython writes C,
LEVEL = "of_level"  # and what stands for the level in names of modules there
ONCE = ("features", "heap", "team")  # of no level: one asks what the CPU can do, of the others there must be only one
NUMPY = ("fastconv._door", "fastconv._memory")  # the modules that see NumPy's C interface; as light at any level
SHARED = "fastconv._kernels._cyutility"  # Cython's own memoryview code, once for all kernels: half the time to compile

X86_LEVELS = {
    "baseline": ["-O1" if DEBUG else "-O2"],  # nobody's fastest here, and -O3 takes longer to compile
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
}
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
}
# Values stay IEEE: these two only say that nobody reads errno or the floating-point exception flags.
GNU_FLAGS = ["-O1" if DEBUG else "-O3", "-fno-math-errno", "-fno-trapping-math"]
GNU_FLAGS += ["-Wno-unused-function", "-Wno-maybe-uninitialized"]
if not DEBUG:
    GNU_FLAGS.append("-g0")  # debugging symbols are half of a module and a fifth of the time to compile


def levels():
    """The flags of each CPU level that this platform's compilers may target."""
    return X86_LEVELS if platform.machine().lower() in ("x86_64", "amd64") else {"baseline": []}


def sources():
    """The Cython source of every module by name; LEVEL stands in the names of those that each CPU level has."""
    names = {}
    for path in sorted(KERNELS.glob("*.pyx")):
        names[f"fastconv._kernels.{path.stem}{'' if path.stem in ONCE else f'_{LEVEL}'}"] = path
    for name in (SHARED, *NUMPY):
        names[name] = Path(f"{name.replace('.', '/')}.{'c' if name == SHARED else 'pyx'}")
    return names


def written(source):
    """Where Cython writes the C of a source."""
    return CYTHON / source.with_suffix(".c")


def translate():
    """Write the C of every source, and for each level of a kernel a file that includes it.

    Python finds a module by the name of its file and by that of the function which begins it; that one is renamed.
    """
    from Cython.Build import cythonize

    for copy in CYTHON.rglob("*.h"):
        copy.unlink()  # Cython copies the headers it knows of, and includes of those find older copies beside them
    cythonize(
        [Extension(name, [str(source)]) for name, source in sources().items()],
        build_dir=str(CYTHON),
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        nthreads=os.cpu_count() if sys.platform == "linux" else 0,  # by fork
        quiet=True,
    )
    for name, source in sources().items():
        for level in levels() if name.endswith(LEVEL) else ():
            path = of_level(source, level)
            begins, begin = (f"PyInit_{full.rpartition('.')[2]}" for full in (name, name.replace(LEVEL, level)))
            included = Path(os.path.relpath(written(source), path.parent)).as_posix()
            text = f'#define {begins} {begin}\n#include "{included}"\n'
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text() != text:
                path.write_text(text)  # not else: what is newer than its object is compiled again


def of_level(source, level):
    """The file that stands for a kernel's C at one level."""
    return CYTHON / level / written(source).name


def kernels():
    """Extensions of every kernel at every level, and of what is of no level, by the C that `translate` will write."""
    import numpy

    headers = [str(header) for header in KERNELS.glob("*.h")]
    extensions = []
    for name, source in sources().items():
        if name.endswith(LEVEL):
            extensions += [
                Extension(name.replace(LEVEL, level), [str(of_level(source, level))], extra_compile_args=[*flags],
                          depends=[str(written(source)), *headers])
                for level, flags in levels().items()
            ]  # fmt: skip
        else:
            extensions.append(Extension(name, [str(written(source))], depends=headers))
    for extension in extensions:
        extension.include_dirs = [numpy.get_include() if extension.name in NUMPY else str(KERNELS)]
        if extension.name in NUMPY:
            extension.define_macros = [("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")]
    return extensions


class BuildKernels(build_ext):
    """Translate late, so that neither metadata nor an sdist needs Cython."""

    def finalize_options(self):
        self.distribution.ext_modules = kernels()
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        translate()
        for extension in self.extensions:
            if self.compiler.compiler_type == "msvc":
                extension.extra_compile_args = []
            else:
                extension.extra_compile_args = [*GNU_FLAGS, *extension.extra_compile_args]
                extension.libraries = ["m"]  # unnamed, its first versions are found, whose powers are slower
        super().build_extensions()


class Deferred(list):
    """An empty list that claims to hold extensions: they are listed once building starts."""

    def __bool__(self):
        return True


setup(ext_modules=Deferred(), cmdclass={"build_ext": BuildKernels})
