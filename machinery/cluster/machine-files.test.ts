/** The files with which machines of a cloud or of Lima are made: they are read, and what they run is a shell's. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readOneYaml } from "../yaml.ts";

const read = (name: string) =>
  readFileSync(join(import.meta.dirname, "..", "..", "manifests", "machines", name), "utf8");

test.each(["server", "agent"] as const)("user data of a %s installs its service", (kind) => {
  const text = read(`${kind}.cloud-init.yaml`);
  expect(text.split("\n")[0]).toBe("#cloud-config");
  const { runcmd, packages } = readOneYaml(text) as { runcmd: string[]; packages: string[] };
  expect(packages).toEqual(expect.arrayContaining(["git", "npm", "containerd", "runc", "nftables", "iproute2"]));
  const script = runcmd.join("\n");
  execFileSync("sh", ["-n"], { input: script });
  expect(script).toMatch(new RegExp(`k8ts ${kind} .*--install`));
});

test("Lima's machine is a server whose kubeconfig comes out", () => {
  const lima = readOneYaml(read("lima.yaml")) as {
    provision: { script: string }[];
    copyToHost: { guest: string }[];
  };
  for (const { script } of lima.provision) execFileSync("sh", ["-n"], { input: script });
  expect(lima.provision[0]?.script).toContain("k8ts server --install");
  expect(lima.copyToHost[0]?.guest).toBe("/root/.k8ts/admin.kubeconfig");
});
