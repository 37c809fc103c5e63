"""`python -m fastconv`: the same as the command `fastconv`."""

import sys

from fastconv._cli import main

sys.exit(main())
