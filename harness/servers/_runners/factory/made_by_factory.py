"""What most servers lack: apps that a callable makes. `app` is what `HARNESS_FACTORY`, `module:callable`, returns."""

from __future__ import annotations

import importlib
import os

_module, _, _attribute = os.environ["HARNESS_FACTORY"].partition(":")
app = getattr(importlib.import_module(_module), _attribute)()
