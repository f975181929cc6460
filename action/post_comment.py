"""Posts a file as a comment of a pull request; from the second time on, edits that comment.

The comment is found by its first line, which names the workflow and the job and which Markdown does not show. Where the
token may not write, as in a pull request from a fork, it says so and does not fail. Needs only the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PAGE = 100
_REFUSALS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


def main() -> None:
    """Post the file that is named by the first argument; nothing where it is empty."""
    text = Path(sys.argv[1]).read_text()
    if not text.strip():
        print("no comparison was made, so none is posted")
        return
    place = f"{os.environ['GITHUB_WORKFLOW']}/{os.environ['GITHUB_JOB']}".replace("--", "-")
    mark = f"<!-- asgi-harness {place} -->\n"
    comments = f"issues/{os.environ['PULL_REQUEST']}/comments"
    try:
        own = find_comment(comments, mark)
        if own is None:
            call("POST", comments, {"body": mark + text})
        else:
            call("PATCH", f"issues/comments/{own}", {"body": mark + text})
    except HTTPError as error:
        if error.code not in _REFUSALS:
            raise
        print(
            f"::notice::expected to post the comparison, found {error}: the token may not, as in a pull request from a "
            "fork, or where `permissions` lack `pull-requests: write`; the summary of the job has the comparison"
        )


def find_comment(comments: str, mark: str) -> int | None:
    """The number of the comment that begins with the mark."""
    for number in count(1):
        page = call("GET", f"{comments}?per_page={PAGE}&page={number}")
        found = next((each["id"] for each in page if (each["body"] or "").startswith(mark)), None)
        if found is not None or len(page) < PAGE:
            return found
    return None


def call(method: str, path: str, content: dict[str, str] | None = None) -> Any:
    """Call the API of the repository; raises `HTTPError`."""
    request = Request(  # noqa: S310 - the address is the service's own
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/{path}",
        json.dumps(content).encode() if content else None,
        {
            "Authorization": f"Bearer {os.environ['TOKEN']}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        method=method,
    )
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    main()
