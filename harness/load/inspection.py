"""What a Locust file itself decides about the load, as JSON: imports the file as Locust does, and runs nothing of it.

`python -m harness.load.inspection FILE TAGS EXCLUDED`, tags as JSON lists; `harness/plan/locust_file.py` reads what it
prints. A process of its own, because importing Locust patches the process.
"""

from __future__ import annotations

import json
import sys

from locust.user.task import filter_tasks_by_tags
from locust.util.load_locustfile import load_locustfile

MARK = "harness: "
"""The line begins with it, since files may print when they are imported and when the process ends."""


def inspect(path: str, tags: list[str], excluded: list[str]) -> dict[str, object]:
    """The fixed number of each of its user classes, those that the tags leave no task, and its load shapes."""
    found, shapes = load_locustfile(path)
    users = {name: each for name, each in found.items() if each.weight or each.fixed_count}
    if tags or excluded:
        for each in users.values():
            filter_tasks_by_tags(each, set(tags) or None, set(excluded) or None)
    return {
        "fixed": {name: each.fixed_count for name, each in users.items()},
        "without_tasks": [name for name, each in users.items() if not each.tasks],
        "shapes": [type(each).__name__ for each in shapes],
    }


if __name__ == "__main__":
    path, *lists = sys.argv[1:]
    sys.argv = ["locust"]  # a file may parse it
    print(f"\n{MARK}{json.dumps(inspect(path, *map(json.loads, lists)))}")
