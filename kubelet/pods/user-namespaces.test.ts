import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podPaths } from "./paths.ts";
import { aPod } from "./pod.fixture.ts";
import { BLOCK, createUserNamespaces, idRange } from "./user-namespaces.ts";

describe("user namespaces", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "userns-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const make = (blocks = 2) =>
    createUserNamespaces(podPaths(directory, directory), async () => ({ first: BLOCK, count: blocks * BLOCK }));
  const pod = (uid: string, hostUsers?: boolean) => aPod(hostUsers === undefined ? {} : { hostUsers }, { uid });

  it("are a block for each Pod that asks, and none for others", async () => {
    const namespaces = make();
    await Promise.all([pod("a", false), pod("b", false), pod("c")].map((one) => namespaces.ensure(one)));
    const ids = [pod("a"), pod("b")].map((one) => namespaces.of(one)?.hostId);
    expect(ids.sort((a = 0, b = 0) => a - b)).toEqual([BLOCK, 2 * BLOCK]);
    expect(namespaces.of(pod("a"))).toMatchObject({ containerId: 0, length: BLOCK });
    expect(namespaces.of(pod("c"))).toBeUndefined();
  });
  it("are kept over a restart, and free again when the Pod's directory goes", async () => {
    const before = make(1);
    await before.ensure(pod("a", false));
    const after = make(1);
    await expect(after.ensure(pod("b", false))).rejects.toThrow("no more user namespaces");
    await after.ensure(pod("a", false));
    expect(after.of(pod("a"))).toEqual(before.of(pod("a")));
    rmSync(podPaths(directory, directory).pod("a"), { recursive: true });
    await after.ensure(pod("b", false));
    expect(after.of(pod("b"))?.hostId).toBe(BLOCK);
  });
  it("are not given out while a block that may be taken cannot be read", async () => {
    mkdirSync(podPaths(directory, directory).userNamespace("a"), { recursive: true });
    await expect(make().ensure(pod("b", false))).rejects.toThrow("EISDIR");
  });
  it("survive a kubelet that was killed while it wrote", async () => {
    const first = make();
    await first.ensure(pod("a", false));
    writeFileSync(podPaths(directory, directory).userNamespace("a"), "{");
    const next = make();
    await next.ensure(pod("a", false));
    expect(next.of(pod("a"))?.hostId).toBe(BLOCK);
  });
  it("come from the ids that the host keeps for them", () => {
    expect(idRange("", "", 110)).toEqual({ first: BLOCK, count: 110 * BLOCK });
    const kept = `root:1:2\nkubelet:${4 * BLOCK}:${8 * BLOCK}\n`;
    expect(idRange(kept, kept, 110)).toEqual({ first: 4 * BLOCK, count: 8 * BLOCK });
    expect(() => idRange(kept, "", 110)).toThrow("differ");
    expect(() => idRange("kubelet:1000:65536", "kubelet:1000:65536", 110)).toThrow("multiple of 65536");
  });
});
