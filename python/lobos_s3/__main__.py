"""``python -m lobos_s3`` is the command ``lobos``."""

import os
import sys

from lobos_s3 import binary

path = str(binary())
os.execv(path, [path, *sys.argv[1:]])
