"""What the app saw: for each request its monotonic time in ns, method, path, and the status of the answer."""

import time
from pathlib import Path

_LOG = Path("seen.log").open("ab", buffering=0)  # noqa: SIM115 - open as long as the process runs


def log_requests(get_response):
    """Django middleware; lines of several processes do not mix, since each is written at once."""

    def answer(request):
        came_ns = time.monotonic_ns()
        response = get_response(request)
        _LOG.write(f"{came_ns} {request.method} {request.path} {response.status_code}\n".encode())
        return response

    return answer
