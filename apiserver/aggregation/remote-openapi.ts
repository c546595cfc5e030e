/**
 * Remote OpenAPI: asks another server for its documents when somebody asks this one, and keeps the answers a while.
 *
 * A server that has no such documents, or does not answer, is left out: the rest is still true.
 */
import { createHash } from "node:crypto";
import { parseJson } from "../../machinery/objects/json.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { type ForeignOpenApi, type ForeignV2, foreignV2 } from "../schema/openapi-foreign.ts";
import { readDocument } from "./remote.ts";
import type { RemoteConnection } from "./remote-connection.ts";

const KEPT_MS = 60_000;
const V3 = "/openapi/v3";

export function createRemoteOpenApi(connection: RemoteConnection, clock: Clock, name: string): ForeignOpenApi {
  /** Undefined where there is no such document. */
  const read = async (path: string): Promise<string | undefined> => {
    try {
      const { status, text } = await readDocument(connection, clock, path);
      return status === 200 ? text : undefined;
    } catch {
      return undefined;
    }
  };
  const index = kept(clock, async () => {
    const text = await read(V3);
    const { paths = {} } = (text === undefined ? {} : quietly(text)) as {
      readonly paths?: Readonly<Record<string, { readonly serverRelativeURL?: string }>>;
    };
    return paths[name]?.serverRelativeURL;
  });
  const v2 = kept(clock, async (): Promise<ForeignV2 | undefined> => {
    const text = await read("/openapi/v2");
    return text === undefined ? undefined : foreignV2(hashOf(text), quietly(text), name);
  });
  return {
    name,
    async hash() {
      const url = await index();
      return url === undefined ? undefined : (/[?&]hash=([^&]+)/.exec(url)?.[1] ?? hashOf(url));
    },
    async v3() {
      const url = await index();
      return url === undefined ? undefined : read(url);
    },
    v2,
  };
}

const hashOf = (text: string): string => createHash("sha512").update(text).digest("hex").toUpperCase();

function quietly(text: string): Readonly<Record<string, never>> {
  try {
    return parseJson(text) as Readonly<Record<string, never>>;
  } catch {
    return {};
  }
}

/** Asked at most once in a while, and once for all who ask meanwhile. */
function kept<T>(clock: Clock, ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const now = clock.monotonic();
    if (!last || now - last.at > KEPT_MS) last = { at: now, answer: ask() };
    return last.answer;
  };
}
