"""The command `fastconv`: `demo` runs a photograph through the package, `info` says what this build runs on.

The demonstration needs packages that the library does not (rich, matplotlib, scikit-image); they are imported when it
runs, and a missing one ends in a message that says what to install. Problems of the user's making are `DemoError` and
`ImportError`: one line on stderr and exit code 1, never a traceback.
"""

import argparse
import sys

import fastconv

EXTRAS = ("rich", "matplotlib", "skimage", "PIL")
INSTALL = "pip install 'fastconv[demo]'"


def main(argv=None):
    """Run the command line and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        print(f"fastconv {arguments.command}: {package} is not installed: {INSTALL}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="fastconv", description="Convolution and pooling on NumPy arrays.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {fastconv.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser(
        "demo",
        help="convolve and pool a photograph, check it against SciPy, draw the feature maps",
        description="Runs a small layer and a real photograph through convolution and pooling, checks every result "
        "against SciPy, prints a table of times and draws the feature maps.",
    )
    demo.add_argument("image", nargs="?", metavar="IMAGE", help="a photograph (default: one that scikit-image ships)")
    demo.add_argument("--output", default="fastconv-demo.png", metavar="PNG", help="the picture (default: %(default)s)")
    demo.set_defaults(run=_demo)

    info = commands.add_parser("info", help="CPU levels, BLAS, threads and versions")
    info.add_argument(
        "--measure", action="store_true", help="also the core's multiply-add limit and how near the register tile comes"
    )
    info.set_defaults(run=_info)
    return parser


def _demo(arguments):
    from fastconv._demo import DemoError, run

    try:
        return run(arguments.image, arguments.output)
    except DemoError as error:
        print(f"fastconv demo: {error}", file=sys.stderr)
        return 1


def _info(arguments):
    rows = {
        name.replace("_", " "): ", ".join(value) if isinstance(value, tuple) else str(value)
        for name, value in fastconv.show_config().items()
    }
    if arguments.measure:
        from fastconv.probe import register_tile

        for dtype, (limit, tile) in register_tile().items():
            rows[f"{dtype} limit"] = f"{limit:.1f} GFLOP/s on one core"
            rows[f"{dtype} tile"] = f"{tile:.1f} GFLOP/s, {tile / limit:.0%} of it"
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")
    return 0
