/**
 * Import image: brings an archive into our containerd's namespace by containerd's own `ctr`.
 *
 * It streams, and is done only when CRI answers for every name: containerd's CRI learns of images
 * by an event, a moment later. containerd 1.6 has no import call of its own.
 */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../../../machinery/process/clock.ts";
import { CriError } from "../../cri/errors.ts";
import { type ArchiveName, observeArchive } from "../../images/archive.ts";
import { NAMESPACE } from "./layout.ts";

export interface ImportOptions {
  readonly socket: string;
  readonly clock: Clock;
  /** Whether CRI has an image of this name. */
  has(name: string): Promise<boolean>;
  readonly signal?: AbortSignal | undefined;
}

/** How long CRI may take to see an image that containerd has. */
const SEEN_MS = 10_000;

export async function importImage(
  tar: Readable,
  options: ImportOptions,
): Promise<{ readonly images: readonly string[] }> {
  const archive = observeArchive(tar);
  await ctr(options, ["images", "import", "-"], archive.tar);
  const names = archive.names();
  if (names.length === 0)
    throw new CriError("InvalidArgument", "the archive names no image: save it with its name and tag");
  for (const { raw, name } of names) await settle({ raw, name }, options);
  return { images: names.map(({ name }) => name) };
}

async function settle({ raw, name }: ArchiveName, options: ImportOptions): Promise<void> {
  const { clock, has, signal } = options;
  if (raw !== name) await ctr(options, ["images", "tag", "--force", raw, name]).catch(() => undefined); // containerd made the full name itself
  const until = clock.monotonic() + SEEN_MS;
  while (!(await has(name))) {
    if (clock.monotonic() > until)
      throw new CriError("Internal", `${name} was imported, but containerd does not show it`);
    await clock.sleep(20, signal);
  }
}

async function ctr({ socket, signal }: ImportOptions, args: readonly string[], input?: Readable): Promise<void> {
  const child = spawn("ctr", ["--address", socket, "--namespace", NAMESPACE, ...args], {
    stdio: [input ? "pipe" : "ignore", "ignore", "pipe"],
    ...(signal && { signal }),
  });
  const errors: Buffer[] = [];
  child.stderr?.on("data", (chunk: Buffer) => errors.push(chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const fed = input && child.stdin ? pipeline(input, child.stdin) : Promise.resolve();
  const [exit, feeding] = await Promise.allSettled([ended, fed]);
  if (exit.status === "rejected") throw new CriError("Unavailable", "ctr could not be started", { cause: exit.reason });
  if (exit.value === 0 && feeding.status === "fulfilled") return;
  const message = Buffer.concat(errors)
    .toString("utf8")
    .trim()
    .replace(/^ctr: /, "");
  const reason = message || String(feeding.status === "rejected" ? feeding.reason : `exit code ${exit.value}`);
  throw new CriError("InvalidArgument", `the image could not be imported: ${reason}`);
}
