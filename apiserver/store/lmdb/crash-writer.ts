/**
 * Crash writer: the process that durability.test.ts kills. 64 writers commit as fast as they can; each
 * says on standard output what was acknowledged, in one write call that no buffer holds back.
 * Its one argument is a CrashWriting as JSON.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { openLmdbStore } from "./lmdb-store.ts";

export interface CrashWriting {
  readonly directory: string;
  /** Number of each writer's first commit. */
  readonly first: number;
  readonly writers: number;
  /** Commits of each writer, which says before each that it begins; absent: until killed, saying nothing. */
  readonly commits?: number;
}

const { directory, first, writers, commits } = JSON.parse(process.argv[2] ?? "") as CrashWriting;
const say = (line: string): void => void writeSync(1, `${line}\n`);

const store = await openLmdbStore({ directory, clock: systemClock, log: silent });

async function writer(id: number): Promise<void> {
  for (let n = first; n < first + (commits ?? Number.POSITIVE_INFINITY); n++) {
    const name = `${id}/${n}`;
    const value = Buffer.from(name.padEnd(1_000, "."));
    if (commits !== undefined) say(`begin ${name}`);
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

await Promise.all(Array.from({ length: writers }, (_, id) => writer(id)));
await store.close();
