/**
 * Import: brings an image archive into the runtime behind a CRI socket (`k8ts images import FILE`).
 *
 * The work is the runtime's (importImage of kubelet/cri/contract.ts); this is its front for people.
 */
import { createReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import type { Logger } from "../../machinery/process/logging.ts";
import { connectRuntime } from "../cri/client.ts";

export interface ImportImageOptions {
  /** The CRI server's. */
  readonly socket: string;
  /** "-" is standard input. */
  readonly file: string;
  readonly log: Logger;
}

/** The names that the archive brought. Throws with a message for people. */
export async function importImage({ socket, file, log }: ImportImageOptions): Promise<readonly string[]> {
  if (file !== "-" && !statSync(file, { throwIfNoEntry: false })?.isFile()) throw new Error(`there is no file ${file}`);
  return importTar({ socket, tar: file === "-" ? process.stdin : createReadStream(file), log });
}

export async function importTar(options: { socket: string; tar: Readable; log: Logger }): Promise<readonly string[]> {
  const runtime = connectRuntime({ socket: options.socket });
  const { images } = await runtime.importImage(options.tar);
  for (const image of images) options.log.info("image imported", { image });
  return images;
}
