"""Compare both sides: python -m local.compare."""

import sys

from local.oracle.compare import main

if __name__ == "__main__":
    sys.exit(main())
