/** Huge pages by all their names. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, test } from "vitest";
import { hugePageLimits, hugePageOptions, readHugePages } from "./huge-pages.ts";
import { aPod, container } from "./pods/pod.fixture.ts";

const MIB = 1024 * 1024;
const asking = (limits: Record<string, string>, name = "main") => container(name, { resources: { limits } });

it("are read from what the administrator has set aside", async () => {
  const directory = await mkdtemp(join(tmpdir(), "k8ts-huge-"));
  for (const [size, count] of [
    ["hugepages-2048kB", "8\n"],
    ["hugepages-64kB", "2\n"],
  ] as const) {
    await mkdir(join(directory, size));
    await writeFile(join(directory, size, "nr_hugepages"), count);
  }
  const pages = { "hugepages-1Gi": 0, "hugepages-2Mi": 16 * MIB, "hugepages-64Ki": 128 * 1024 };
  expect(await readHugePages(directory)).toEqual(pages);
  expect(await readHugePages("/nowhere")).toEqual({ "hugepages-1Gi": 0, "hugepages-2Mi": 0 });
  expect(hugePageLimits(asking({ "hugepages-2Mi": "4Mi" }), pages).hugepageLimits).toEqual([
    { pageSize: "1GB", limit: 0 },
    { pageSize: "2MB", limit: 4 * MIB },
    { pageSize: "64KB", limit: 0 },
  ]);
  expect(hugePageLimits(asking({}), { "hugepages-2Mi": 0 })).toEqual({});
  await rm(directory, { recursive: true });
});

const one = [asking({ "hugepages-2Mi": "4Mi" }), asking({ "hugepages-2Mi": "2Mi" }, "other")];
const two = [asking({ "hugepages-2Mi": "4Mi", "hugepages-1Gi": "1Gi" })];
test.each([
  ["HugePages", one, undefined, "pagesize=2M,size=6291456"],
  ["HugePages", one, "2Mi", "pagesize=2M,size=2097152"],
  ["HugePages-1Gi", two, undefined, "pagesize=1G,size=1073741824"],
] as const)("an emptyDir of %s", (medium, containers, limit, options) => {
  expect(hugePageOptions(medium, aPod({ containers: [...containers] }), limit)).toBe(options);
});

test.each([
  ["HugePages", two, "should not be used when huge pages of multiple sizes are requested"],
  ["HugePages", [asking({})], "needs containers that ask for huge pages"],
  ["HugePages-1Gi", one, "medium HugePages-1Gi needs containers that ask for hugepages-1Gi"],
] as const)("an emptyDir of %s is refused: %#", (medium, containers, why) => {
  expect(() => hugePageOptions(medium, aPod({ containers: [...containers] }), undefined)).toThrow(why);
});
