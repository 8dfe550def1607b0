"""`python -m sonyc_trainer.cli`, the same as `sonyc-trainer`."""

import sys

from sonyc_trainer.cli import main

if __name__ == "__main__":
    sys.exit(main())
