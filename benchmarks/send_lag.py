"""Send lag of the open loop against the null server.

python benchmarks/send_lag.py 1000 5000 20000
"""

from __future__ import annotations

import argparse
import sys

from harness.host import certificates, cpus, guard
from harness.model.loads import Rate
from harness.run.calibration import ceiling, others
from harness.run.load_process import ForkServer

RATES = (1_000, 5_000, 20_000)


def main() -> None:
    """Print percentiles of the send lag for each rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", nargs="*", type=int, metavar="RATE", help="requests/s")
    rates = parser.parse_args().rates or RATES
    with guard.guard() as token, certificates.issue() as tls, ForkServer(token) as fork_server:
        generator = ceiling.Generator(sys.executable, cpus.place(cpus.available()), tls, token, fork_server)
        with others.start_null_server(generator) as null:
            print("   rate/s   answered/s   send lag p50 µs   p99 µs   p99.9 µs")
            for rate in rates:
                result = others.run_locust(others.Side(load=Rate(rate)), "h1", null.url("h1"), generator)
                lag = [result.send_lag.percentile(percent) for percent in (50, 99, 99.9)]
                print(f"{rate:9,} {result.throughput_rps:12,.0f} {lag[0]:17,} {lag[1]:8,} {lag[2]:10,}")


if __name__ == "__main__":
    main()
