/**
 * Crash writer: the process that durability.test.ts kills. 64 writers commit as fast as they can; each
 * says on standard output what was acknowledged, in one write call that no buffer holds back.
 *
 * Arguments: directory, first number, number of writers, commits per writer (0: until killed).
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { openLmdbStore } from "./lmdb-store.ts";

const [directory = "", first = "0", writers = "64", commits = "0"] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const store = await openLmdbStore({ directory, clock: systemClock, log: silent });

async function writer(id: number): Promise<void> {
  for (let n = Number(first), left = Number(commits) || Number.POSITIVE_INFINITY; left > 0; n++, left--) {
    const name = `${id}/${n}`;
    const value = Buffer.from(name.padEnd(1_000, "."));
    if (commits !== "0") say(`begin ${name}`);
    const result = await store.commit(
      [{ key: `/object/${name}`, modRevision: 0 }],
      [
        { type: "put", key: `/object/${name}`, value },
        { type: "put", key: `/internal/${name}`, value },
      ],
    );
    if (!result.committed) throw new Error(`${name} was there already`);
    say(`acked ${name}`);
  }
}

await Promise.all(Array.from({ length: Number(writers) }, (_, id) => writer(id)));
await store.close();
