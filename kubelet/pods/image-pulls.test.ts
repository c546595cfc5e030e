/** Pulls over a runtime that only knows images, with the records on disk. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Pod, Secret } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { standardSettings } from "../configuration.ts";
import type { ImageService } from "../cri/contract.ts";
import { createPullGate } from "../images/pull-gate.ts";
import { createPullRecords } from "../images/pull-records.ts";
import { createImagePulls } from "./image-pulls.ts";
import { aPod, container } from "./pod.fixture.ts";

const IMAGE = "registry.example.com/team/app:1";

let directory: string;
let told: string[];
let pulls: string[];
let present: boolean;
let passwords: readonly (string | undefined)[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "k8ts-pulls-"));
  [told, pulls, present, passwords] = [[], [], false, ["good"]];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const secrets: Readonly<Record<string, string>> = { mine: "good", same: "good", wrong: "bad", none: "" };
function secretOf(name: string): Secret | undefined {
  const password = secrets[name];
  if (!password) return undefined;
  const text = JSON.stringify({ auths: { "registry.example.com": { username: "ann", password } } });
  return {
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    type: "kubernetes.io/dockerconfigjson",
    data: { ".dockerconfigjson": Buffer.from(text).toString("base64") },
  } as unknown as Secret;
}

function images(policy = "NeverVerifyPreloadedImages") {
  const image = { id: "sha256:1", repoTags: [IMAGE], repoDigests: [], size: 10, username: "", pinned: false };
  const cri = {
    imageStatus: async () => (present ? { image } : {}),
    async pullImage({ auth }: { auth?: { password?: string } }) {
      pulls.push(auth?.password ?? "-");
      if (!passwords.includes(auth?.password)) throw new Error("401 Unauthorized");
      present = true;
      return { imageRef: image.id };
    },
  } as unknown as ImageService;
  const tell = (_pod: unknown, reason: string, message: string) => void told.push(`${reason} ${message}`);
  return createImagePulls({
    cri,
    clock: systemClock,
    events: { normal: tell, warning: tell } as never,
    secret: async (_namespace, name) => secretOf(name),
    sandboxConfig: () => ({}) as never,
    records: createPullRecords(directory, { ...standardSettings, imagePullCredentialsVerificationPolicy: policy }),
  });
}

const main = (imagePullPolicy = "IfNotPresent") =>
  ({ container: container("main", { image: IMAGE, imagePullPolicy }), role: "regular" }) as const;
const podWith = (uid: string, ...names: string[]): Pod => {
  const pod = aPod({ imagePullSecrets: names.map((name) => ({ name })) });
  return { ...pod, metadata: { ...pod.metadata, uid } };
};

describe("pulling with secrets", () => {
  it("tries each that may serve, and says which are missing", async () => {
    await images().ensure(podWith("a", "wrong", "none", "mine"), main());
    expect(pulls).toEqual(["bad", "good"]);
    expect(told.join("\n")).toContain(
      "FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (none); attempting to pull the image may not succeed.",
    );
  });

  it("fails in the registry's words when none serves", async () => {
    await expect(images().ensure(podWith("a", "wrong"), main())).rejects.toMatchObject({ reason: "ErrImagePull" });
    expect(pulls).toEqual(["bad"]);
  });
});

describe("an image that is on the node", () => {
  it("is for those who could have pulled it, whatever kubelet did", async () => {
    await images().ensure(podWith("a", "mine"), main());
    const later = images();
    await later.ensure(podWith("b", "mine"), main());
    await later.ensure(podWith("c", "same"), main());
    expect(pulls).toEqual(["good"]);
    await expect(later.ensure(podWith("d"), main())).rejects.toMatchObject({ reason: "ErrImagePull" });
    expect(pulls).toEqual(["good", "-"]);
    await expect(later.ensure(podWith("e"), main("Never"))).rejects.toThrow(
      "is present with pull policy of Never but does not have the proper credentials",
    );
  });

  it("is for everybody once somebody had it without credentials", async () => {
    passwords = ["good", undefined];
    await images().ensure(podWith("a"), main());
    await images().ensure(podWith("b"), main("Never"));
    await images().ensure(podWith("c", "wrong"), main());
    expect(pulls).toEqual(["-"]);
  });

  it("is for those of its repository: the same image, had from elsewhere without credentials, opens no other", async () => {
    await images().ensure(podWith("a", "mine"), main());
    const records = createPullRecords(directory, standardSettings);
    await records.ended("open.example.com/app:1", { id: "sha256:1", credential: undefined });
    expect(await records.allows("open.example.com/app:2", "sha256:1", [])).toBe(true);
    expect(await records.allows("closed.example.com/app:1", "sha256:1", [])).toBe(false);
    await expect(images().ensure(podWith("b"), main("Never"))).rejects.toThrow("proper credentials");
    await images().ensure(podWith("c", "mine"), main("Never"));
  });

  it("that came without the kubelet is for everybody, unless the policy says otherwise", async () => {
    present = true;
    await images().ensure(podWith("a"), main("Never"));
    await expect(images("AlwaysVerify").ensure(podWith("b"), main("Never"))).rejects.toThrow("proper credentials");
    await images("NeverVerify").ensure(podWith("c"), main("Never"));
  });

  it("is given to nobody while what is known of its pull cannot be read", async () => {
    await images().ensure(podWith("a", "mine"), main());
    const [record = ""] = readdirSync(join(directory, "pulled"));
    rmSync(join(directory, "pulled", record));
    mkdirSync(join(directory, "pulled", record));
    await expect(images().ensure(podWith("b"), main("Never"))).rejects.toThrow();
  });

  it("belongs to nobody after a pull that was cut off", async () => {
    const records = createPullRecords(directory, standardSettings);
    await records.begun(IMAGE);
    present = true;
    await expect(images().ensure(podWith("a"), main("Never"))).rejects.toThrow("proper credentials");
  });
});

it("only so many pulls go on at a time, in their order", async () => {
  const gate = createPullGate(2);
  const log: string[] = [];
  const ends: (() => void)[] = [];
  const jobs = ["a", "b", "c", "d"].map((name) =>
    gate.run(async () => {
      log.push(name);
      await new Promise<void>((resolve) => ends.push(resolve));
    }),
  );
  await expect.poll(() => log).toEqual(["a", "b"]);
  ends.shift()?.();
  await expect.poll(() => log).toEqual(["a", "b", "c"]);
  for (const end of ends.splice(0)) end();
  await expect.poll(() => log).toEqual(["a", "b", "c", "d"]);
  for (const end of ends.splice(0)) end();
  await Promise.all(jobs);
});
