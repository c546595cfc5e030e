import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exceeded } from "./empty-dir-limits.ts";
import { podPaths } from "./paths.ts";
import { aPod } from "./pod.fixture.ts";

it("an emptyDir on disk is too large once it holds more than its limit", async () => {
  const directory = await mkdtemp(join(tmpdir(), "k8ts-limits-"));
  const paths = podPaths(directory, directory);
  const pod = aPod({
    volumes: [
      { name: "free", emptyDir: {} },
      { name: "scratch", emptyDir: { sizeLimit: "1Mi" } },
    ],
  });
  for (const name of ["free", "scratch"]) await mkdir(join(paths.volume("uid-1", name), "deep"), { recursive: true });
  await writeFile(join(paths.volume("uid-1", "free"), "big"), Buffer.alloc(3_000_000, 1));
  expect(await exceeded({ pod: () => pod }, paths)).toBeUndefined();
  await writeFile(join(paths.volume("uid-1", "scratch"), "deep", "big"), Buffer.alloc(1_100_000, 1));
  expect(await exceeded({ pod: () => pod }, paths)).toBe(
    'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
  );
  await rm(directory, { recursive: true, force: true });
});
