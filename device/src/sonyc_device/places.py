"""Where things lie on a node whose agent was installed as a service."""

from pathlib import Path
from typing import Final

CONFIG: Final = Path("/etc/sonyc-device/node.toml")
STATE: Final = Path("/var/lib/sonyc-device")
ENVIRONMENT: Final = Path("/opt/sonyc-device")
COMMAND: Final = Path("/usr/local/bin/sonyc-device")
UNIT: Final = Path("/etc/systemd/system/sonyc-device.service")
UNIT_PATHS: Final = Path("/etc/systemd/system/sonyc-device.service.d/paths.conf")
SYSUSERS: Final = Path("/etc/sysusers.d/sonyc-device.conf")
JOURNALD: Final = Path("/etc/systemd/journald.conf.d/sonyc-device.conf")
