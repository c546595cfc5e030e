/**
 * store: looks after what the API server keeps. The command behind `k8ts store`.
 *
 * backup and verify read beside a server that runs. restore and migrate change a store, so no server may run
 * on it meanwhile: an embedded store refuses by itself while one does, on etcd servers tell of themselves.
 */
import { parseArgs } from "node:util";
import { systemClock, wireTime } from "../../../machinery/process/clock.ts";
import { homePaths } from "../../../machinery/process/home.ts";
import { limits } from "../../../machinery/process/limits.ts";
import { createLogger } from "../../../machinery/process/logging.ts";
import { homeDirectory } from "../../../machinery/process/run.ts";
import { closedKey } from "../../cache/keys.ts";
import type { Store } from "../contract.ts";
import { BACKUP_FORMAT, type BackupEntry, readBackup, writeBackup } from "./backup-file.ts";
import { fillEmbedded, fillShared, type SharedFilling } from "./fill.ts";
import { embeddedSnapshot, type Snapshot, sharedSnapshot } from "./snapshot.ts";
import { createVerifier } from "./verify.ts";

const USAGE = `Usage: k8ts store COMMAND [flags]

Looks after what the API server keeps: copies it, brings it back, moves it, checks it.

  backup FILE      write everything that is stored into a file; servers may go on
  verify [FILE]    read everything that is stored, or a backup, and tell what is wrong; servers may go on
  restore FILE     make the store hold what the file holds; servers must be stopped (k8ts down)
  migrate          move what the embedded store holds to etcd; servers must be stopped

Flags:
  --store KIND          embedded (default) or etcd: the store to work on
  --data-dir DIRECTORY  where the embedded store lies (default: store in the home)
  --to etcd             where to migrate to
  --etcd-servers URL    etcd's client addresses, for etcd; may be given several times

A nightly copy, and how to come back from it:
  k8ts store backup /backup/cluster && k8ts store verify /backup/cluster
  k8ts down && k8ts store restore /backup/cluster && k8ts up

From one machine to several servers on etcd:
  k8ts down && k8ts store migrate --to etcd --etcd-servers http://10.0.0.9:2379
  k8ts server --store etcd --etcd-servers http://10.0.0.9:2379

Whoever is killed meanwhile leaves the old state or is finished by the same command again.
Resource versions never go backwards: clients see a restored or moved store as a newer one and list again.
Keys and certificates are not in the store: they lie under $K8TS_HOME/pki, keep a copy of those too.
`;

const log = createLogger({
  component: "store",
  clock: systemClock,
  level: "warn",
  write: (line) => void process.stderr.write(line),
});

interface Place {
  readonly kind: "embedded" | "etcd";
  readonly directory: string;
  readonly etcdServers: readonly string[];
}

/** Resolves with the exit code: 1 when it failed or found something wrong, 2 when it was asked wrongly. */
export async function storeCommand(argv: readonly string[]): Promise<number> {
  if (argv.length === 0 || argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(USAGE);
    return argv.length === 0 ? 2 : 0;
  }
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        store: { type: "string", default: "embedded" },
        "data-dir": { type: "string" },
        to: { type: "string" },
        "etcd-servers": { type: "string", multiple: true, default: [] },
      },
    });
    const [name = "", file, ...more] = positionals;
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command || more.length > 0) return usage(`there is no command ${JSON.stringify(positionals.join(" "))}`);
    const place = {
      kind: values.store,
      directory: values["data-dir"] ?? homePaths(homeDirectory()).store,
      etcdServers: values["etcd-servers"].flatMap((one) => one.split(",")),
    } as Place;
    if (!["embedded", "etcd"].includes(place.kind)) return usage(`--store is embedded or etcd, not "${place.kind}"`);
    if (place.kind === "etcd" && place.etcdServers.length === 0) return usage("--store etcd needs --etcd-servers");
    return await command(place, file, values.to);
  } catch (error) {
    const asked = error instanceof TypeError && "code" in error; // parseArgs does not know the flag
    process.stderr.write(`k8ts store: ${error instanceof Error ? error.message : String(error)}\n`);
    return asked ? 2 : 1;
  }
}

type Run = (place: Place, file: string | undefined, to: string | undefined) => Promise<number>;

const commands: Readonly<Record<string, Run>> = {
  async backup(place, file) {
    if (file === undefined) return usage("backup needs a FILE");
    const count = await reading(place, (snapshot) => {
      const { resourceVersion } = snapshot;
      const time = wireTime(systemClock.now());
      return writeBackup(
        file,
        { kind: "k8ts-backup", format: BACKUP_FORMAT, resourceVersion, time },
        snapshot.entries(),
      );
    });
    say(`${file}: ${count} entries. Check it with k8ts store verify ${file}`);
    return 0;
  },

  async restore(place, file) {
    if (file === undefined) return usage("restore needs a FILE");
    const entries: BackupEntry[] = [];
    const { resourceVersion, time } = await readBackup(file, (entry) => void entries.push(entry));
    const filling = { entries, resourceVersion };
    const count =
      place.kind === "embedded"
        ? await fillEmbedded(place.directory, filling)
        : await withEtcd(place, (store) => fillShared(store, filling, sharedFilling()));
    say(`restored ${count} entries of ${time}. Start the server again: clients will list anew by themselves`);
    return 0;
  },

  async migrate(place, file, to) {
    if (file !== undefined) return usage(`there is nothing to do with ${file}`);
    if (to !== "etcd" || place.kind !== "embedded") return usage("embedded stores move --to etcd, others do not");
    if (place.etcdServers.length === 0) return usage("--to etcd needs --etcd-servers");
    const { openLmdbStore } = await import("../lmdb/lmdb-store.ts");
    const source = await openLmdbStore({ directory: place.directory, clock: systemClock, log });
    try {
      const snapshot = await sharedSnapshot(source);
      const entries: BackupEntry[] = [];
      for await (const { key, value } of snapshot.entries()) entries.push({ key, value });
      const { resourceVersion } = snapshot;
      const why = `it was moved to etcd (${place.etcdServers.join(", ")}): start the server with --store etcd`;
      const close = async () =>
        void (await source.commit([], [{ type: "put", key: closedKey, value: Buffer.from(why) }]));
      const moved = entries.some(({ key }) => key === closedKey);
      const count = await withEtcd(place, async (store) => {
        // One that is closed too was being filled: the move goes on.
        if (moved && !(await store.get(closedKey))) throw new Error("this store is closed: it was moved before");
        await assertEmpty(store);
        return fillShared(store, { entries, resourceVersion }, { ...sharedFilling(), beforeOpen: close });
      });
      say(
        `moved ${count} entries to etcd. Start the server with --store etcd --etcd-servers ${place.etcdServers.join(",")}`,
      );
      return 0;
    } finally {
      await source.close();
    }
  },

  async verify(place, file) {
    const verifier = createVerifier();
    if (file !== undefined) await readBackup(file, verifier.entry);
    else
      await reading(place, async (snapshot) => {
        for await (const problem of snapshot.problems()) verifier.problem(problem);
        for await (const entry of snapshot.entries()) verifier.entry(entry);
      });
    const { objects, resources, problems } = verifier.result();
    for (const [name, count] of [...resources].toSorted(([one], [other]) => (one < other ? -1 : 1)))
      say(`${String(count).padStart(8)}  ${name}`);
    say(`${String(objects).padStart(8)}  objects, ${problems.length === 0 ? "all of them well" : "with problems:"}`);
    for (const problem of problems) say(`  ${problem}`);
    return problems.length === 0 ? 0 : 1;
  },
};

async function reading<T>(place: Place, work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  if (place.kind === "etcd") return withEtcd(place, async (store) => work(await sharedSnapshot(store)));
  const snapshot = await embeddedSnapshot(place.directory);
  try {
    return await work(snapshot);
  } finally {
    await snapshot.close();
  }
}

async function withEtcd<T>({ etcdServers }: Place, work: (store: Store) => Promise<T>): Promise<T> {
  const { openEtcdStore } = await import("../etcd/etcd-store.ts");
  const store = openEtcdStore({ endpoints: etcdServers, clock: systemClock, log });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** A move that was interrupted may go on; anything else would be lost by it. */
async function assertEmpty(store: Store): Promise<void> {
  const { entries, remaining } = await store.list({ prefix: "/registry/", limit: 1 });
  if (entries.length === 0 || (await store.get(closedKey))) return;
  throw new Error(`this etcd holds ${remaining + 1} objects of a cluster already: move to an empty one`);
}

/** Tells on the terminal how far it is; a log gets the end alone. */
function sharedFilling(): SharedFilling {
  const terminal = process.stderr.isTTY;
  return {
    clock: systemClock,
    waiting: (why) => tell(`${why}: watching for ${limits.serverGoneMs / 1000} s whether it still lives …`),
    progress(done, all) {
      if (terminal) process.stderr.write(`\r${done} of ${all} entries${done === all ? "\n" : ""}`);
    },
  };
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function usage(problem: string): number {
  process.stderr.write(`k8ts store: ${problem}\n\n${USAGE}`);
  return 2;
}
