/** Kubeconfig files: merging, inline data, files, and refusals in clear words. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadKubeconfig, parseKubeconfig, targetFromFile, targetOf } from "./kubeconfig.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "kubeconfig-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const base64 = (text: string) => Buffer.from(text).toString("base64");

const ONE = `
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev
  cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: ${base64("CA")}}
users:
- name: me
  user: {client-certificate-data: ${base64("CERT")}, client-key: key.pem}
contexts:
- name: dev
  context: {cluster: dev, user: me, namespace: team}
- name: bare
  context: {cluster: dev, user: token}
`;
const TWO = `
current-context: other
clusters:
- name: dev
  cluster: {server: "https://elsewhere"}
users:
- name: token
  user: {token: abc, as: jane, as-groups: [a, b]}
- name: plugin
  user: {exec: {command: aws}}
`;

it("reads inline data and files relative to the kubeconfig", async () => {
  await writeFile(join(directory, "one"), ONE);
  await writeFile(join(directory, "key.pem"), "KEY");
  const { access, namespace } = await targetFromFile(join(directory, "one"));
  expect(namespace).toBe("team");
  expect(access).toMatchObject({ server: "https://127.0.0.1:6443", ca: "CA", cert: "CERT", key: "KEY" });
});

it("merges files, the first winning, and skips missing ones", async () => {
  await writeFile(join(directory, "one"), ONE);
  await writeFile(join(directory, "two"), TWO);
  const files = ["missing", "one", "two"].map((name) => join(directory, name));
  const config = await loadKubeconfig(files);
  expect(config["current-context"]).toBe("dev");
  const { access, namespace } = await targetOf(config, { context: "bare" });
  expect(namespace).toBe("default");
  expect(access).toMatchObject({
    server: "https://127.0.0.1:6443",
    token: "abc",
    impersonate: { user: "jane", groups: ["a", "b"] },
  });
});

it.each([
  ["a context that does not exist", { context: "nope" }, 'context "nope" does not exist'],
  ["a user that does not exist", { cluster: "dev", user: "nope" }, 'user "nope" does not exist'],
  ["a credential plugin", { cluster: "dev", user: "plugin" }, 'user "plugin": credential plugins are not supported'],
])("refuses %s", async (_what, choice, message) => {
  const config = parseKubeconfig(TWO, "two");
  await expect(targetOf({ ...config, "current-context": "" }, choice)).rejects.toThrow(message);
});

it("refuses what is no kubeconfig", async () => {
  expect(() => parseKubeconfig("a: [", "file")).toThrow("file is not a kubeconfig");
  expect(() => parseKubeconfig("just text", "file")).toThrow("file is not a kubeconfig");
  await expect(loadKubeconfig([join(directory, "missing")])).rejects.toThrow("no kubeconfig found");
});
