#!/usr/bin/env python3
"""Starts the server, asks for one character until it is answered, stops it; prints the milliseconds from start to answer.

    first_answer.py BINARY PATH DATA_FOLDER
"""
import http.client
import socket
import subprocess
import sys
import time

DEADLINE_S = 10
# Short against what is measured, long enough not to take the server's core.
PAUSE_S = 0.001


def main(binary, path, data):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()
    server = subprocess.Popen([binary, "--listen", f"127.0.0.1:{port}", "--data", data],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() - started < DEADLINE_S:
            if status(port, path) == 200:
                print(round((time.monotonic() - started) * 1000, 1))
                return 0
            time.sleep(PAUSE_S)
    finally:
        server.terminate()
        server.wait()
    print("first_answer.py: no answer", file=sys.stderr)
    return 1


def status(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except ConnectionError:
        return None
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
