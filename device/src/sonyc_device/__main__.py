"""`python -m sonyc_device` is `sonyc-device`."""

import sys

from sonyc_device.cli import main

sys.exit(main())
