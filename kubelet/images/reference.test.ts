import { describe, expect, test } from "vitest";
import { normalizeImage, parseReference } from "./reference.ts";

const digest = `sha256:${"a".repeat(64)}`;

describe("image names", () => {
  test.each([
    ["nginx", "docker.io/library/nginx:latest"],
    ["nginx:1.27", "docker.io/library/nginx:1.27"],
    ["bitnami/redis:7", "docker.io/bitnami/redis:7"],
    ["docker.io/nginx:1", "docker.io/library/nginx:1"],
    ["index.docker.io/library/nginx:1", "docker.io/library/nginx:1"],
    ["localhost/web", "localhost/web:latest"],
    ["localhost:5000/web:1", "localhost:5000/web:1"],
    ["registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`],
    [`nginx:1@${digest}`, `docker.io/library/nginx:1@${digest}`],
    [digest, digest],
  ])("%s is kept as %s", (name, full) => {
    expect(normalizeImage(name)).toBe(full);
  });

  test.each(["", "Nginx", "web:", "web:-x", "a//b", "web@sha256:short", "web:1:2", "-web", "a b"])(
    "%j is none",
    (name) => {
      expect(parseReference(name)).toBeUndefined();
    },
  );
});
