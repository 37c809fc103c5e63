"""What the scripts that time families of layers are told, and which families there are."""


def add_selection(parser):
    """Options that say which layers to time, and how often."""
    parser.add_argument("--family", action="append", help="may be repeated; all families if not given")
    parser.add_argument("--layer", default="", help="only layers whose name contains this")
    parser.add_argument("--dtype", choices=("float32", "float64"), help="instead of the family's")
    parser.add_argument("--layout", choices=("first", "last"), help="fastconv's memory layout, instead of the family's")
    parser.add_argument("--rounds", type=int, default=15)


def objection(names):
    """What to say of families that there are not; None if there are all."""
    from .families import FAMILIES  # not before threads are set: it loads what reads their number

    unknown = set(names or ()) - set(FAMILIES)
    return f"no family {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}" if unknown else None
