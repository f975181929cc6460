"""`app` is what the callable in `HARNESS_FACTORY`, `module:callable`, returns; few servers can call it themselves."""

from __future__ import annotations

import importlib
import operator
import os

_module, _, _attribute = os.environ["HARNESS_FACTORY"].partition(":")
app = operator.attrgetter(_attribute)(importlib.import_module(_module))()
