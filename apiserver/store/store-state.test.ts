import { expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { closedKey, formatKey } from "../cache/keys.ts";
import type { Store } from "./contract.ts";
import { createMemoryStore } from "./memory.ts";
import { prepareStore, type Upgrades } from "./store-state.ts";

const newStore = () => createMemoryStore({ clock: systemClock });
const write = (store: Store, key: string, text: string) =>
  store.commit([], [{ type: "put", key, value: Buffer.from(text) }]);
const read = async (store: Store, key: string) => String(Buffer.from((await store.get(key))?.value ?? []));

test("a new store is marked with the format in which it is written", async () => {
  const store = newStore();
  await prepareStore(store, 3);
  expect(await read(store, formatKey)).toBe("3");
  const revision = await store.revision();
  await prepareStore(store, 3);
  expect(await store.revision()).toBe(revision);
});

test("a store that a newer version wrote is left alone", async () => {
  const store = newStore();
  await write(store, formatKey, "9");
  await expect(prepareStore(store, 3)).rejects.toThrow(
    "the store has format 9, this version reads up to 3: use a newer k8ts",
  );
  expect(await read(store, formatKey)).toBe("9");
});

test("an older store is upgraded a format at a time, and goes on where it was interrupted", async () => {
  const store = newStore();
  await write(store, formatKey, "1");
  let broken = true;
  const upgrades: Upgrades = {
    1: async (one) => void (await write(one, "/a", "upgraded")),
    async 2(one) {
      if (broken) throw new Error("killed");
      await write(one, "/b", "upgraded");
    },
  };
  await expect(prepareStore(store, 3, upgrades)).rejects.toThrow("killed");
  expect(await read(store, formatKey)).toBe("2");
  broken = false;
  await prepareStore(store, 3, upgrades);
  expect(await read(store, formatKey)).toBe("3");
  expect(await read(store, "/b")).toBe("upgraded");
});

test("a format that nobody knows how to leave is an error", async () => {
  const store = newStore();
  await write(store, formatKey, "1");
  await expect(prepareStore(store, 2, {})).rejects.toThrow("format 1, which this version cannot upgrade");
});

test("a store that is closed says why", async () => {
  const store = newStore();
  await write(store, closedKey, "it was moved");
  await expect(prepareStore(store)).rejects.toThrow("no server may use this store: it was moved");
});
