"""The health check of a program that speaks HTTP: exits 0 when the given address answers with success."""

import sys
from urllib.error import URLError
from urllib.request import urlopen

ANSWERS_WITHIN_SECONDS = 4


def main() -> int:
    address = sys.argv[1]
    try:
        with urlopen(address, timeout=ANSWERS_WITHIN_SECONDS):  # noqa: S310 - the address is our own configuration
            return 0
    except (URLError, OSError) as problem:
        sys.stderr.write(f"{address!r} does not answer: {problem!r}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
