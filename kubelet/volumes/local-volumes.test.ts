import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Node } from "../../machinery/objects/kinds.ts";
import { removalKey } from "../../machinery/objects/local-volumes.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { type FakeClock, fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { createLocalVolumes } from "./local-volumes.ts";

const VOLUME = "pvc-01234567-89ab-cdef-0123-456789abcdef";

let directory: string;
let clock: FakeClock;
let used: Set<string>;
let answers: unknown[];
let failing: number;
let look: (node: Node) => void;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "k8ts-local-"));
  await mkdir(join(directory, VOLUME, "deep"), { recursive: true });
  await writeFile(join(directory, VOLUME, "deep", "file"), "");
  clock = fakeClock();
  used = new Set();
  answers = [];
  failing = 0;
  const patch = async (_resource: string, _ref: object, body: unknown) => {
    if (failing-- > 0) throw new ApiError("ServiceUnavailable", "not now");
    answers.push((body as Node).metadata.annotations);
    return body as never;
  };
  const { signal } = new AbortController();
  look = createLocalVolumes({
    client: { patch },
    clock,
    log: silent,
    signal,
    directory,
    inUse: (name) => used.has(name),
  });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const asking = (volume: string, state = "wanted"): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: {
    name: "n1",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "",
    annotations: { [removalKey(volume)]: state },
  },
});
const here = () => readdir(directory);
const answered = (volume: string, state: unknown) =>
  expect.poll(() => answers).toEqual([{ [removalKey(volume)]: state }]);

describe("a volume that is to go", () => {
  it("goes with all that is in it, and is answered for once", async () => {
    for (let time = 0; time < 3; time++) look(asking(VOLUME));
    await answered(VOLUME, "done");
    expect(await here()).toEqual([]);
  });

  it("is answered for though it was never made here", async () => {
    await rm(join(directory, VOLUME), { recursive: true });
    look(asking(VOLUME));
    await answered(VOLUME, "done");
  });

  it("stays while a Pod uses it", async () => {
    used.add(VOLUME);
    look(asking(VOLUME));
    await clock.advance(10_000);
    expect([await here(), answers]).toEqual([[VOLUME], []]);
    used.clear();
    await clock.advance(10_000);
    await answered(VOLUME, "done");
  });

  it("is answered for again where the answer did not arrive", async () => {
    failing = 2;
    look(asking(VOLUME));
    await expect.poll(here).toEqual([]);
    await expect
      .poll(async () => {
        await clock.advance(2_000);
        return answers;
      })
      .toEqual([{ [removalKey(VOLUME)]: "done" }]);
  });

  it("is left alone where it has been answered for", async () => {
    look(asking(VOLUME, "done"));
    await clock.advance(10_000);
    expect([await here(), answers]).toEqual([[VOLUME], []]);
  });
});

describe("what is no volume's name", () => {
  it.each(["..", "pvc-1", "other", `${VOLUME}.old`])("%s is never removed", async (name) => {
    await mkdir(join(directory, name), { recursive: true });
    const before = await here();
    look(asking(name));
    await answered(name, "failed: this is no name of a local volume");
    expect(await here()).toEqual(before);
  });
});
