import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Runtime } from "../../cri/contract.ts";
import { writeTar } from "../../images/tar.ts";
import { type ContainerdFixture, startContainerd, whyNoContainerd } from "./containerd.fixture.ts";
import { containerdLayout } from "./layout.ts";

/** A registry with one image, repository "team/web", tag "1", for whoever knows the password. */
async function startRegistry(): Promise<{ readonly host: string; readonly server: Server }> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar([{ path: "file", content: "from the registry" }])) chunks.push(chunk);
  const layer = Buffer.concat(chunks);
  const blob = (bytes: Buffer, mediaType: string) => ({ mediaType, size: bytes.length, digest: digestOf(bytes) });
  const diff = { type: "layers", diff_ids: [digestOf(layer)] };
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: diff }));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: blob(config, "application/vnd.oci.image.config.v1+json"),
      layers: [blob(layer, "application/vnd.oci.image.layer.v1.tar")],
    }),
  );
  const contents = new Map([layer, config, manifest].map((bytes) => [digestOf(bytes), bytes]));
  const server = createServer((request, response) => {
    if (request.headers.authorization !== `Basic ${Buffer.from("ann:secret").toString("base64")}`)
      return void response.writeHead(401, { "www-authenticate": 'Basic realm="registry"' }).end();
    const [, kind, name] = /^\/v2\/team\/web\/(manifests|blobs)\/([^?]+)/.exec(request.url ?? "") ?? [];
    const bytes = name === "1" ? manifest : contents.get(name ?? "");
    if (!bytes)
      return void response
        .writeHead(404, { "content-type": "application/json" })
        .end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    const type = kind === "manifests" ? mediaType : "application/octet-stream";
    response.writeHead(200, {
      "content-type": type,
      "content-length": bytes.length,
      "docker-content-digest": digestOf(bytes),
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

describe.skipIf(whyNoContainerd())("pulling an image", () => {
  let containerd: ContainerdFixture;
  let runtime: Runtime;
  let registry: Awaited<ReturnType<typeof startRegistry>>;
  const auth = { username: "ann", password: "secret" };

  beforeAll(async () => {
    [containerd, registry] = await Promise.all([startContainerd(), startRegistry()]);
    runtime = await containerd.connect();
  });
  afterAll(async () => {
    registry?.server.close();
    await containerd?.stop();
  });

  test("with a Pod's credentials brings it, and answers its id", async () => {
    const image = `${registry.host}/team/web:1`;
    const { imageRef } = await runtime.pullImage({ image: { image }, auth });
    const { image: found } = await runtime.imageStatus({ image: { image } });
    expect(found?.id).toBe(imageRef);
    expect(found?.repoDigests[0]).toMatch(/\/team\/web@sha256:/);
    await runtime.removeImage({ image: { image } });
  });

  test("without credentials fails in the registry's words", async () => {
    const image = `${registry.host}/team/web:1`;
    await expect(runtime.pullImage({ image: { image } })).rejects.toThrow(/401 Unauthorized|authorization failed/);
  });

  test("that the registry does not have is NotFound", async () => {
    const image = `${registry.host}/team/web:2`;
    await expect(runtime.pullImage({ image: { image }, auth })).rejects.toMatchObject({
      code: "NotFound",
      message: expect.stringContaining(`${image}: not found`),
    });
  });

  const encoded = Buffer.from("ann:secret").toString("base64");

  test("takes the node's credentials, as they are now", async () => {
    const image = `${registry.host}/team/web:1`;
    const { credentials } = containerdLayout(containerd.paths);
    writeFileSync(credentials, JSON.stringify({ auths: { [registry.host]: { auth: encoded } } }));
    await runtime.pullImage({ image: { image } });
    expect((await runtime.imageStatus({ image: { image } })).image?.repoTags).toEqual([image]);
    rmSync(credentials);
    await expect(runtime.pullImage({ image: { image } })).rejects.toThrow();
  });

  test("takes a mirror, which has credentials of its own", async () => {
    const { registries } = containerdLayout(containerd.paths);
    const mirror = `[host."http://${registry.host}"]\n  capabilities = ["pull", "resolve"]\n`;
    const header = `  [host."http://${registry.host}".header]\n    authorization = ["Basic ${encoded}"]\n`;
    mkdirSync(join(registries, "images.example"), { recursive: true });
    writeFileSync(
      join(registries, "images.example", "hosts.toml"),
      `server = "https://images.example"\n${mirror}${header}`,
    );
    const image = "images.example/team/web:1";
    await runtime.pullImage({ image: { image } });
    expect((await runtime.imageStatus({ image: { image } })).image?.repoTags).toContain(image);
  });
});
