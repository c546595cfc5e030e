/**
 * Images: what the samples run, built from Debian's packages under the names that the samples use.
 *
 * They behave as the published images of those names do in the samples, and need no registry.
 */

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryEntries, type ImageArchive, writeImage } from "../../kubelet/images/build.ts";
import { architectureOf } from "../../kubelet/images/pause.ts";
import { debianRoot } from "./debian-root.ts";

interface Recipe {
  readonly name: string;
  readonly tags?: readonly string[];
  readonly packages: readonly string[];
  readonly config: ImageArchive["config"];
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export const recipes = {
  busybox: { name: "busybox:1.35", tags: ["busybox:1.36"], packages: [], config: { Cmd: ["sh"], Env: [PATH] } },
  nginx: {
    name: "nginx:1.22",
    packages: ["nginx-light"],
    config: { Cmd: ["nginx", "-g", "daemon off;"], Env: [PATH], StopSignal: "SIGQUIT" },
  },
  redis: {
    name: "redis:7.0",
    packages: ["redis-server"],
    config: { Cmd: ["redis-server", "--protected-mode", "no"], Env: [PATH] },
  },
  python: {
    name: "python:3.11-slim",
    tags: ["python:3.11-slim-bookworm"],
    packages: ["python3.11"],
    config: { Cmd: ["python3"], Env: [PATH] },
  },
} as const satisfies Record<string, Recipe>;

export type ImageName = keyof typeof recipes;

/** Builds the image's archive once a machine and returns its file. */
export async function imageArchive(which: ImageName): Promise<string> {
  const recipe: Recipe = recipes[which];
  const directory = join(tmpdir(), "k8ts-images");
  const file = join(directory, `${which}.tar`);
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const root = await debianRoot(which, recipe.packages);
  const layer = [...directoryEntries(root), ...(EXTRAS[which] ?? [])];
  const { name, tags = [], config } = recipe;
  const partial = `${file}.${process.pid}`;
  await writeImage(partial, { name, tags, architecture: architectureOf(process.arch), layers: [layer], config });
  renameSync(partial, file);
  return file;
}

/** What a package's installation scripts, or the published image's, would have made. */
const EXTRAS: Partial<Record<ImageName, ImageArchive["layers"][number]>> = {
  python: [{ path: "usr/bin/python3", symlink: "python3.11" }],
  nginx: [
    { path: "etc/nginx/conf.d/default.conf", content: "server { listen 80; root /usr/share/nginx/html; }\n" },
    { path: "var/log/nginx/access.log", symlink: "/dev/stdout" },
    { path: "var/log/nginx/error.log", symlink: "/dev/stderr" },
  ],
};
