/** Paths: what each says, as Kubernetes' RequestInfo does. */
import { expect, test } from "vitest";
import { parsePath } from "./path.ts";

const cases: readonly (readonly [string, string, string])[] = [
  ["GET", "/api/v1/pods", "list  v1  pods  "],
  ["GET", "/api/v1/pods?watch=true", "watch  v1  pods  "],
  ["GET", "/api/v1/pods?watch=0", "list  v1  pods  "],
  ["GET", "/api/v1/watch/pods", "watch  v1  pods  "],
  ["GET", "/api/v1/watch/namespaces/a/pods/x", "watch  v1 a pods x "],
  ["GET", "/api/v1/namespaces/a/pods/x", "get  v1 a pods x "],
  ["HEAD", "/api/v1/namespaces/a/pods/x", "get  v1 a pods x "],
  ["GET", "/api/v1/namespaces/a/pods/x?watch=true", "get  v1 a pods x "],
  ["GET", "/api/v1/namespaces/a/pods/x/log", "get  v1 a pods x log"],
  ["POST", "/api/v1/namespaces/a/pods", "create  v1 a pods  "],
  ["POST", "/api/v1/namespaces/a/pods/x/binding", "create  v1 a pods x binding"],
  ["DELETE", "/api/v1/namespaces/a/pods", "deletecollection  v1 a pods  "],
  ["DELETE", "/api/v1/namespaces/a/pods/x", "delete  v1 a pods x "],
  ["GET", "/api/v1/namespaces", "list  v1  namespaces  "],
  ["GET", "/api/v1/namespaces/a", "get  v1 a namespaces a "],
  ["PUT", "/api/v1/namespaces/a/finalize", "update  v1 a namespaces a finalize"],
  ["PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch apps v1 a deployments d scale"],
  ["GET", "/api/v1/nodes/n/proxy/metrics", "get  v1  nodes n proxy"],
  ["GET", "/api/v1/pods?fieldSelector=metadata.name=x", "list  v1  pods x "],
  ["GET", "/api/v1/pods?fieldSelector=metadata.name!=x", "list  v1  pods  "],
];

test.each(cases)("%s %s is %s", (method, url, expected) => {
  const [path = "", query] = url.split("?", 2);
  const info = parsePath(method, path, new URLSearchParams(query));
  const { verb, group, version, namespace, resource, name, subresource, isResource } = info;
  expect(isResource).toBe(true);
  expect([verb, group, version, namespace, resource, name, subresource].join(" ")).toBe(expected);
});

test.each(["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/version"])(
  "%s is no resource request",
  (path) => {
    const info = parsePath("GET", path, new URLSearchParams());
    expect(info).toMatchObject({ isResource: false, verb: "get", path });
  },
);

test("what follows a proxy keeps its slash and its characters", () => {
  const info = parsePath("GET", "/api/v1/nodes/n/proxy/a%20b/c/", new URLSearchParams());
  expect(info.rest).toBe("a b/c/");
});

test("a path that cannot be unescaped is a bad request", () => {
  expect(() => parsePath("GET", "/api/v1/namespaces/%zz/pods", new URLSearchParams())).toThrow(/invalid URL escape/);
});
