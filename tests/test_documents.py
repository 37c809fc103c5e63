"""What is written about the code is true of it: docstrings, the maps of package and kernels, names in the README."""

import inspect
import re

import fastconv
from tests.test_architecture import CYTHON, KERNELS, MODULES, ROOT, public


def test_maps_name_each():
    """Of the package, its modules; of the kernels, each one and each file of what they have in common."""
    kernels = (KERNELS / "__init__.py").read_text(encoding="utf-8")
    for text, paths in ((fastconv.__doc__ + "__init__", MODULES.values()), (kernels, CYTHON)):
        assert not [path.name for path in paths if not re.search(rf"\b{path.stem}\b", text)]


def sections(function):
    """The sections of a numpydoc docstring: title -> text."""
    pieces = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.getdoc(function) or "", flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def test_every_public_function_is_documented():
    """numpydoc: a first line, every parameter, what is returned or yielded, and an example that the suite runs."""
    problems = []
    for name, function in public().items():
        doc = inspect.getdoc(function) or ""
        parts = sections(function)
        first = doc.partition("\n")[0]
        if not re.fullmatch(r"\S.*[.:]", first):
            problems.append(f"{name}: no first line that is a sentence")
        if re.fullmatch(r"conv\dd", name) and "cross-correlation" not in first.lower():
            problems.append(f"{name}: the first line does not say cross-correlation")
        parameters = list(inspect.signature(function).parameters)
        named = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: :|$)", parts.get("Parameters", ""), re.MULTILINE)
        missing = set(parameters) - {word for line in named for word in line.split(", ")}
        if missing:
            problems.append(f"{name}: parameters {sorted(missing)} are not described")
        if name not in ("set_num_threads", "num_threads", "show_config") and "Returns" not in parts:
            problems.append(f"{name}: does not say what it returns")
        if ">>>" not in parts.get("Examples", ""):
            problems.append(f"{name}: no example")
    assert not problems, "\n".join(problems)


def test_readme_names_what_is_there():
    """Links that are no address are headings or files of the repository, as are files named in `code`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    named = set(re.findall(r"[`/ ]((?:\w+/)*\w+\.(?:py|pyx|pxd|h))\b", text))
    assert len(named) > 20
    headings = {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in re.findall(r"(?m)^#+ (.+)$", text.lower())}
    assert not [link for link in linked if link.lstrip("#") not in headings and not (ROOT / link).exists()]
    assert not [name for name in named if not any(ROOT.glob(f"[!.]*/**/{name}")) and not (ROOT / name).exists()]
