/** Writes of ReplicaSets that the cache does not show yet, where a former set had the same name. */
import { expect, test } from "vitest";
import type { ReplicaSet } from "../machinery/objects/kinds.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { createSetWrites, type SetWrites } from "./set-writes.ts";

const KEY = "default/web-1";
const set = (uid: string, resourceVersion: string) =>
  ({ metadata: { namespace: "default", name: "web-1", uid, resourceVersion } }) as ReplicaSet;

async function afterMaking(cached: ReplicaSet | undefined, then: (writes: SetWrites) => void = () => undefined) {
  const clock = fakeClock();
  const writes = createSetWrites();
  await writes.send("default/web", set("new", "20"), async () => set("new", "20"), clock.monotonic());
  then(writes);
  const client = { find: async () => set("new", "20") } as never;
  return writes.behind("default/web", { client, clock, replicasets: { get: () => cached } as never });
}

test("a set that was made does not show while the cache has the former one of its name", async () => {
  expect(await afterMaking(set("former", "10"))).toBeGreaterThan(0);
  expect(await afterMaking(set("new", "20"))).toBeUndefined();
  expect(await afterMaking(set("later", "30"))).toBeUndefined();
});

test("the end of the former one is not the end of the one that was made", async () => {
  expect(await afterMaking(undefined, ({ gone }) => gone(KEY, "former"))).toBeGreaterThan(0);
  expect(await afterMaking(undefined, ({ gone }) => gone(KEY, "new"))).toBeUndefined();
});
