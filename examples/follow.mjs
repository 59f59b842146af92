// Keeps a table of the cluster's members current and prints it whenever it changes:
// node examples/follow.mjs /run/headcount.sock
//
// Needs nothing but Node itself (18 or newer). Survives restarts of the agent: it connects again,
// resumes after the last record it saw, and begins anew where that cannot be.

import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const SILENCE_MAX = 35_000; // milliseconds; the agent sends a heartbeat every 10 s

/** Who there is, by name, as the records add up to. */
class Members {
  byName = new Map();
  epoch = null;
  seq = null;

  /** Takes a record in; says whether anybody's state may have changed. */
  apply(record) {
    const { type, member } = record;
    if (type === "snapshot") {
      this.epoch = record.epoch;
      this.byName = new Map(record.members.map((m) => [m.name, m]));
    } else if (type === "removed") {
      this.byName.delete(member.name);
    } else if (member) {
      // Whatever the type: newer agents may know more of them.
      this.byName.set(member.name, member);
    }
    // A gap has no number: until its snapshot came, we are still before it.
    this.seq = record.seq ?? this.seq;
    return type === "snapshot" || member !== undefined;
  }

  /** What to say to go on from here. */
  position() {
    return this.epoch ? `?resume=${this.epoch}:${this.seq}` : "";
  }
}

/** The agent's answer. */
function get(socketPath, path) {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path, headers: { host: "headcount" } }, resolve);
    request.setTimeout(SILENCE_MAX, () => request.destroy(new Error("the agent fell silent")));
    request.on("error", reject);
  });
}

/** One stream's records, from where `members` is to the stream's end. */
async function* records(socketPath, members) {
  const response = await get(socketPath, "/v1/watch" + members.position());
  response.setEncoding("utf8");
  let rest = "";
  for await (const chunk of response) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const record = JSON.parse(line);
      if (response.statusCode !== 200) throw new Error(record.detail);
      yield record;
    }
  }
  throw new Error("the stream ended");
}

/** Gives the members whenever they changed, for ever. */
async function* follow(socketPath) {
  const members = new Members();
  for (let pause = 100; ; pause = Math.min(pause * 2, 5000)) {
    try {
      for await (const record of records(socketPath, members)) {
        pause = 100;
        if (members.apply(record)) yield members.byName;
      }
    } catch (why) {
      console.error(`${why.message}; trying again`);
    }
    await sleep(pause);
  }
}

for await (const byName of follow(process.argv[2] ?? "/run/headcount.sock")) {
  const names = [...byName.keys()].sort();
  console.log(names.map((name) => `${name}=${byName.get(name).state}`).join(" "));
}
