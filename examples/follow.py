"""Keeps a table of the cluster's members current and prints it whenever it changes:
python3 examples/follow.py /run/headcount.sock

Needs nothing but the standard library. Survives restarts of the agent: it connects again, resumes
after the last record it saw, and begins anew where that cannot be.
"""

import http.client
import json
import socket
import sys
import time

SILENCE_MAX = 35  # seconds; the agent sends a heartbeat every 10


class Agent(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket."""

    def __init__(self, path):
        super().__init__("headcount", timeout=SILENCE_MAX)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Members:
    """Who there is, by name, as the records add up to."""

    def __init__(self):
        self.by_name = {}
        self.epoch = None
        self.seq = None

    def apply(self, record):
        """Takes a record in; says whether anybody's state may have changed."""
        kind, member = record["type"], record.get("member")
        if kind == "snapshot":
            self.epoch = record["epoch"]
            self.by_name = {m["name"]: m for m in record["members"]}
        elif kind == "removed":
            self.by_name.pop(member["name"], None)
        elif member:  # whatever the type: newer agents may know more of them
            self.by_name[member["name"]] = member
        # A gap has no number: until its snapshot came, we are still before it.
        self.seq = record.get("seq", self.seq)
        return kind == "snapshot" or member is not None

    def position(self):
        """What to say to go on from here."""
        return f"?resume={self.epoch}:{self.seq}" if self.epoch else ""


def records(path, members):
    """One stream's records, from where `members` is to the stream's end."""
    agent = Agent(path)
    try:
        agent.request("GET", "/v1/watch" + members.position())
        response = agent.getresponse()
        if response.status != 200:
            raise ConnectionError(json.load(response)["detail"])
        for line in response:
            yield json.loads(line)
        raise ConnectionError("the stream ended")
    finally:
        agent.close()


def follow(path):
    """Gives the members whenever they changed, for ever."""
    members, pause = Members(), 0.1
    while True:
        try:
            for record in records(path, members):
                pause = 0.1
                if members.apply(record):
                    yield members.by_name
        except (OSError, http.client.HTTPException, ValueError) as why:  # or half a line
            print(f"{why}; trying again", file=sys.stderr, flush=True)
        time.sleep(pause)
        pause = min(pause * 2, 5)


if __name__ == "__main__":
    for by_name in follow(sys.argv[1] if len(sys.argv) > 1 else "/run/headcount.sock"):
        print(*(f"{name}={m['state']}" for name, m in sorted(by_name.items())), flush=True)
