import { expect, it } from "vitest";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { standardSettings } from "./configuration.ts";
import type { Image } from "./cri/messages.ts";
import { createImageCollection, type ImageCollectionContext } from "./image-collection.ts";

const MINUTE = 60_000;

function collection(settings: Partial<typeof standardSettings> = {}) {
  const clock = fakeClock();
  const events: string[] = [];
  const state = { free: 500, used: ["used"], images: new Map<string, Image>() };
  const image = (id: string, size: number, pinned = false): Image => ({
    id,
    size,
    pinned,
    repoTags: [`${id}:1`],
    repoDigests: [],
    username: "",
  });
  for (const one of [image("used", 100), image("old", 100), image("new", 100), image("pause", 1, true)])
    state.images.set(one.id, one);
  const cri = {
    listImages: async () => ({ images: [...state.images.values()] }),
    listContainers: async () => ({ containers: state.used.map((id) => ({ imageRef: id, imageId: id, image: {} })) }),
    imageFsInfo: async () => ({ imageFilesystems: [] }),
    async removeImage({ image: { image: id } }: { image: { image: string } }) {
      state.free += state.images.get(id)?.size ?? 0;
      state.images.delete(id);
    },
  } as unknown as ImageCollectionContext["cri"];
  const collect = createImageCollection({
    cri,
    clock,
    log: silent,
    signal: new AbortController().signal,
    events: { warning: (_node: unknown, reason: string) => void events.push(reason) } as never,
    node: () => ({}) as never,
    settings: { ...standardSettings, ...settings },
    directory: "/",
    disk: async () => ({ total: 1000, free: state.free }),
    onRemoved: async () => undefined,
  });
  const left = () => [...state.images.keys()];
  return { clock, state, events, left, ...collect };
}

it("leaves everything while there is room, and what is young", async () => {
  const { collect, removeUnused, left, state } = collection();
  await collect();
  state.free = 100;
  await collect();
  await removeUnused();
  expect(left().length).toBe(4);
});

it("removes what was used longest ago until there is room, and says when that is too little", async () => {
  const { collect, left, state, clock, events } = collection();
  await collect();
  await clock.advance(MINUTE);
  state.used = ["used", "new"];
  await collect();
  state.used = ["used"];
  await clock.advance(5 * MINUTE);
  state.free = 120;
  await collect();
  expect(left()).toEqual(["used", "new", "pause"]);
  expect(events).toEqual([]);
  state.free = 50;
  await collect();
  expect(left()).toEqual(["used", "pause"]);
  expect(events).toEqual(["FreeDiskSpaceFailed"]);
});

it("removes all that is unused when the node is short, and what is too old in any case", async () => {
  const short = collection();
  await short.collect();
  await short.clock.advance(3 * MINUTE);
  expect(await short.removeUnused()).toBe(200);
  expect(short.left()).toEqual(["used", "pause"]);

  const aged = collection({ imageMaximumGCAge: 10 * MINUTE });
  await aged.collect();
  await aged.clock.advance(11 * MINUTE);
  await aged.collect();
  expect(aged.left()).toEqual(["used", "pause"]);
});
