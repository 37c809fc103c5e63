"""What `import fastconv` costs, beside what `import numpy` costs."""


def timeraw_import_fastconv():
    return "import fastconv"


def timeraw_import_numpy():
    return "import numpy"
