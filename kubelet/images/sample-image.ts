/**
 * Sample image: a small web server, made of the machine's static busybox and nothing else.
 *
 * What `k8ts up` deploys first, so that a new cluster shows something without any registry.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileEntry, type ImageArchive } from "./build.ts";
import { architectureOf } from "./pause.ts";
import type { TarEntry } from "./tar.ts";

export const SAMPLE_IMAGE = "k8ts/hello:1.0";

/** Where Debian's busybox-static, and others', put the program. */
const PLACES = ["/bin/busybox", "/usr/bin/busybox"];

/** Throws when there is no busybox. */
export function sampleImage(): ImageArchive {
  const busybox = PLACES.find((place) => existsSync(place));
  if (!busybox) throw new Error("the sample's image is made of busybox: install busybox-static");
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).trim().split("\n");
  const links = applets
    .filter((applet) => applet !== "busybox")
    .map((applet): TarEntry => ({ path: `bin/${applet}`, symlink: "busybox" }));
  const directories = ["bin", "tmp", "www", "etc", "proc", "sys", "dev"].map((path): TarEntry => ({ path }));
  return {
    name: SAMPLE_IMAGE,
    architecture: architectureOf(process.arch),
    layers: [[...directories, fileEntry(busybox, "bin/busybox", 0o755), ...links]],
    config: { Cmd: ["/bin/sh"], Env: ["PATH=/bin"], WorkingDir: "/" },
  };
}
